import { gzipSync } from "node:zlib";

/** A request that is sent to this service and to a real OPA. */
export interface Case {
  readonly what: string;
  readonly method: string;
  readonly path: string;
  readonly body?: string | Buffer<ArrayBuffer>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Why the two answer differently on purpose, and what ours says instead. */
  readonly differs?: Difference;
}

export interface Difference {
  readonly because: string;
  readonly ours: { readonly status: number; readonly body?: unknown };
}

const post = (path: string, body?: string | Buffer<ArrayBuffer>, differs?: Difference): Case => ({
  what: `POST ${path} ${String(body ?? "").slice(0, 60)}`,
  method: "POST",
  path,
  ...(body !== undefined && { body }),
  ...(differs && { differs }),
});

const get = (path: string, differs?: Difference): Case => ({
  what: `GET ${path}`,
  method: "GET",
  path,
  ...(differs && { differs }),
});

const other = (method: string, path: string, differs?: Difference): Case => ({
  what: `${method} ${path}`,
  method,
  path,
  ...(differs && { differs }),
});

const typed = (type: string, body: string, differs?: Difference): Case => ({
  ...post("/v1/data/api/echo", body, differs),
  what: `${type} ${body}`,
  headers: { "content-type": type },
});

const NO_COMPILER: Difference = {
  because: "Policies are compiled before they get here; there is no Rego to work with.",
  ours: { status: 501 },
};

const NO_PACKAGES: Difference = {
  because: "A WebAssembly policy answers its entrypoints; what is above them is data only.",
  ours: { status: 200, body: {} },
};

const BEYOND: Difference = {
  because: "OPA's evaluation fails where a path leads beyond a constant; here it is undefined.",
  ours: { status: 200, body: {} },
};

const WRITES: Difference = {
  because: "NATS is the source of truth; data is written there.",
  ours: { status: 405 },
};

/** The same requests to both. Bodies are compared field by field, but for the words of messages. */
export const CASES: readonly Case[] = [
  post("/v1/data/api/allow", '{"input":{"user":"alice"}}'),
  post("/v1/data/api/allow", '{"input":{"user":"bob"}}'),
  post("/v1/data/api/allow", '{"input":{}}'),
  post("/v1/data/api/allow/", '{"input":{"user":"alice"}}', {
    because: "OPA redirects, and clients that follow lose the body and so the input.",
    ours: { status: 200, body: { result: true } },
  }),
  post("/v1/data/api/allow", ""),
  post("/v1/data/api/allow"),
  post("/v1/data/api/allow", "{}"),
  post("/v1/data/api/allow", "null"),
  post("/v1/data/api/allow", '{"inputs":1}'),
  ...["1", "0", "false", "true", '""', "[]", "{}", '"x"', "[1,[2,[3]]]", '{"a":{"b":null}}'].map(
    (input) => post("/v1/data/api/echo", `{"input":${input}}`),
  ),
  post("/v1/data/api/echo", '{"input":null}', {
    because: "An input that was given is an input, whatever its value.",
    ours: { status: 200, body: { result: null } },
  }),
  post("/v1/data/api/echo", '{"input":1,"input":2}'),
  post("/v1/data/api/echo", '{"input":{"a":1,"a":2}}'),
  post("/v1/data/api/echo", '{"input":9007199254740993}'),
  post("/v1/data/api/echo", '{"input":12345678901234567890123}'),
  post("/v1/data/api/echo", '{"input":{"__proto__":{"x":1},"constructor":2}}'),
  post("/v1/data/api/echo", String.raw`{"input":"\ud83d\ude00\u00e9\u0000\"\\"}`),
  post("/v1/data/api/echo", String.raw`{"input":"\ud800"}`),
  post("/v1/data/api/echo/a/0", '{"input":{"a":["x"]}}'),
  post("/v1/data/api/echo/a/1", '{"input":{"a":["x"]}}'),
  post("/v1/data/api/echo/b", '{"input":{"a":["x"]}}'),
  post("/v1/data/api/nothing", '{"input":{}}'),
  post("/v1/data/api/nothing", "{}"),
  post("/v1/data/none/at/all", '{"input":{}}'),
  post("/v1/data/api/numbers", '{"input":{}}'),
  post("/v1/data/api/nested", '{"input":{}}'),
  post("/v1/data/api/nested/a/1/b", '{"input":{}}'),
  post("/v1/data/api/nested/a/9", '{"input":{}}', BEYOND),
  post("/v1/data/api/nested/text/x", '{"input":{}}', BEYOND),
  post("/v1/data/api/member", '{"input":{"user":"alice"}}'),
  post("/v1/data/api/member/tags/1/y", '{"input":{"user":"alice"}}'),
  post("/v1/data/api/member", '{"input":{"user":"nobody"}}'),
  post("/v1/data/api/quotient", '{"input":{"divisor":4}}'),
  post("/v1/data/api/quotient", '{"input":{"divisor":0}}'),
  post("/v1/data/api/quotient?strict-builtin-errors", '{"input":{"divisor":0}}'),
  post("/v1/data/api/conflict", '{"input":{"one":1}}'),
  post("/v1/data/api/conflict", '{"input":{"one":1,"two":1}}'),
  ...["{", '{"input":', "input", "[1]", "5", '"x"', "true", '{"input":01}', '{"input":tru}'].map(
    (body) => post("/v1/data/api/echo", body),
  ),
  post("/v1/data/api/echo", '{"input":1} {"input":2}', {
    because: "OPA reads the first value and ignores the rest, which hides a client's mistake.",
    ours: { status: 400, body: { code: "invalid_parameter" } },
  }),
  typed("application/json", '{"input":1}'),
  typed("text/plain", '{"input":1}'),
  typed("application/yaml", "input: {x: [1, two]}"),
  typed("application/x-yaml", "input:\n  a: b\n"),
  typed("application/yaml", "input: ["),
  typed("application/yaml", "{}"),
  typed("application/yaml", "input: &a [1]\nb: *a", {
    because: "Aliases let a small body grow without bound.",
    ours: { status: 400, body: { code: "invalid_parameter" } },
  }),
  {
    ...post("/v1/data/api/echo", gzipSync('{"input":{"packed":true}}')),
    what: "POST a packed body",
    headers: { "content-encoding": "gzip" },
  },
  {
    ...post("/v1/data/api/echo", "{}", {
      because: "OPA takes what it can't unpack for plain text.",
      ours: { status: 415, body: { code: "invalid_parameter" } },
    }),
    what: "POST with an unknown encoding",
    headers: { "content-encoding": "br" },
  },
  get("/v1/data/api/allow"),
  get("/v1/data/api/echo"),
  get("/v1/data/api/echo?input=%7B%22a%22%3A1%7D"),
  get("/v1/data/api/echo?input=5"),
  get("/v1/data/api/echo?input="),
  get("/v1/data/api/echo?input=%7B"),
  get("/v1/data/api/echo?input=1&input=2"),
  get("/v1/data/api/nested?pretty"),
  get("/v1/data/api/nested?pretty=true"),
  get("/v1/data/api/allow?explain=off"),
  get("/v1/data/api/allow?explain=bogus"),
  get("/v1/data/api/allow?explain=full", {
    because: "WebAssembly can't be traced; a warning says so.",
    ours: { status: 200, body: { result: false, warning: { code: "api_usage_warning" } } },
  }),
  get("/v1/data/api", NO_PACKAGES),
  get("/v1/data/nats/kv/team"),
  get("/v1/data/nats/kv/team/members/alice"),
  get("/v1/data/nats/kv/team/members/alice/tags/1/y"),
  get("/v1/data/nats/kv/team/members/alice/id"),
  get("/v1/data/nats/kv/team/none"),
  get("/v1/data/nats/kv/none"),
  get("/v1/data/nats"),
  get("/v1/data/nats/kv/team/members%2Falice"),
  get("/v1/data/%zz", {
    because: "OPA answers without a body.",
    ours: { status: 400, body: { code: "invalid_parameter" } },
  }),
  post("/v0/data/api/allow", '{"user":"alice"}'),
  post("/v0/data/api/echo", '{"a":1}'),
  post("/v0/data/api/echo", ""),
  post("/v0/data/api/nested/a/0", "{}"),
  post("/v0/data/api/nothing", "{}"),
  post("/v0/data/none", "{}"),
  post("/v0/data/api/echo", "{"),
  post("/v0/data/api/echo?pretty", '{"a":[1]}'),
  post("/", '{"user":"alice"}'),
  post("/", ""),
  post("/", '{"undefined":true}'),
  post("/", "{"),
  ...["/v1/data", "/v1/data/api/allow", "/health"].map((path) => other("OPTIONS", path)),
  other("HEAD", "/v1/data/api/allow"),
  other("GET", "/v0/data/api/allow"),
  other("DELETE", "/v0/data/api/allow"),
  other("PUT", "/"),
  other("PUT", "/v1/data/free", WRITES),
  other("DELETE", "/v1/data/nats", WRITES),
  get("/", {
    because: "OPA shows a page for people; there is none here.",
    ours: { status: 405 },
  }),
  get("/nowhere"),
  post("/v1/nowhere", "{}"),
  get("/health"),
  get("/health?bundles"),
  get("/health?plugins"),
  get("/v1/query?q=data.api.allow", NO_COMPILER),
  post("/v1/query", '{"query":"data.api.allow"}', NO_COMPILER),
  post("/v1/compile", '{"query":"data.api.allow"}', NO_COMPILER),
  get("/v1/policies", NO_COMPILER),
  other("DELETE", "/v1/policies/none", NO_COMPILER),
  get("/v1/status", {
    because: "OPA needs its status plugin for that.",
    ours: { status: 200 },
  }),
  post("/v1/batch/data/api/echo", '{"inputs":{"a":1}}', {
    because: "Batches are Enterprise OPA's.",
    ours: { status: 200, body: { responses: { a: { result: 1 } } } },
  }),
];
