import { gzipSync } from "node:zlib";

/** A request that can't be answered, and what is said of it. */
export interface Malformed {
  readonly what: string;
  readonly method: string;
  readonly path: string;
  readonly body?: string | Buffer<ArrayBuffer>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly status: number;
  readonly code: string;
}

/** The largest body that the service of this table takes, in bytes. */
export const MAX_BODY = 100_000;

const INVALID = { status: 400, code: "invalid_parameter" } as const;
const WRAPPED = "/v1/data/api/echo";
const RAW = "/v0/data/api/echo";
const BATCH = "/v1/batch/data/api/echo";

const nested = (levels: number, open = "[", close = "]"): string =>
  open.repeat(levels) + close.repeat(levels);

/** What is no JSON, whatever it stands in. */
const NOT_JSON: readonly string[] = [
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  '"',
  "'a'",
  "nul",
  "NULL",
  "undefined",
  "NaN",
  "Infinity",
  "-Infinity",
  "01",
  "+1",
  ".5",
  "5.",
  "1e",
  "0x10",
  "1_000",
  "--1",
  "[1,]",
  "[,1]",
  "[1 2]",
  '{"a":1,}',
  '{"a"}',
  '{"a":}',
  "{a:1}",
  "{'a':1}",
  '{"a":1 "b":2}',
  '{"a":1}}',
  '"\n"',
  String.raw`"\x41"`,
  String.raw`"\u12"`,
  String.raw`"\u{41}"`,
  '"\u0000"',
  "// no\n1",
  "/* no */1",
  "1 2",
  "\u00a01",
  "<a/>",
  "a=1&b=2",
  "\u0000",
  nested(50_000, "[", ""),
];

const bodies: readonly Malformed[] = [WRAPPED, RAW, BATCH].flatMap((path) =>
  NOT_JSON.map((text) => ({
    what: `${path} ${JSON.stringify(text.slice(0, 20))}`,
    method: "POST",
    path,
    body: path === RAW ? text : `{"${path === BATCH ? "inputs" : "input"}":${text}}`,
    ...INVALID,
  })),
);

const post = (
  what: string,
  path: string,
  body: string | Buffer<ArrayBuffer>,
  answer: { readonly status: number; readonly code: string } = INVALID,
  headers: Readonly<Record<string, string>> = {},
): Malformed => ({ what, method: "POST", path, body, headers, ...answer });

const packed = (what: string, body: Buffer<ArrayBuffer>, status = 400): Malformed =>
  post(what, WRAPPED, body, { status, code: "invalid_parameter" }, { "content-encoding": "gzip" });

const GZIP = gzipSync('{"input":1}');
const TOO_LARGE = { status: 413, code: "invalid_parameter" };
const UNKNOWN = { status: 415, code: "invalid_parameter" };
const NOWHERE = { status: 404, code: "resource_not_found" };
const NOT_ALLOWED = { status: 405, code: "invalid_parameter" };
const NOT_SUPPORTED = { status: 501, code: "invalid_operation" };

const shapes: readonly Malformed[] = [
  ...["[]", "5", '"x"', "true", "false", '[{"input":1}]'].map((body) =>
    post(`a wrapped body that is ${body}`, WRAPPED, body),
  ),
  ...["5", "[]", "{}", '{"inputs":5}', '{"inputs":[1]}', '{"inputs":"x"}', '{"input":{}}'].map(
    (body) => post(`a batch that is ${body}`, BATCH, body),
  ),
  ...[
    "5",
    '"team:1"',
    "[]",
    '{"team":"1"}',
    '{"team":-1}',
    '{"team":1.5}',
    '{"team":1e3}',
    '{"":1}',
  ].map((least) => post(`min_revision ${least}`, WRAPPED, `{"input":1,"min_revision":${least}}`)),
  post("bytes that are not UTF-8", WRAPPED, Buffer.from('{"input":"\xff"}', "latin1")),
  post("a truncated character", WRAPPED, Buffer.from([0x22, 0xc3])),
  post("an overlong character", RAW, Buffer.from([0x22, 0xc0, 0x80, 0x22])),
  post("half of a surrogate pair in UTF-8", RAW, Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])),
  post("UTF-16", WRAPPED, Buffer.from('{"input":1}', "utf16le")),
  post("lists nested too deep", RAW, nested(257)),
  post("objects nested too deep", RAW, '{"a":'.repeat(257) + "1" + "}".repeat(257)),
  post("lists nested far too deep", WRAPPED, `{"input":${nested(40_000)}}`),
  post("a common input nested too deep", BATCH, `{"inputs":[],"common_input":${nested(300)}}`),
  post("prototype names in place of the inputs", BATCH, '{"__proto__":{"inputs":{}}}'),
  post("a body too large", WRAPPED, `{"input":"${"x".repeat(MAX_BODY)}"}`, TOO_LARGE),
  post("a body too large on the way to nowhere", "/nowhere", "x".repeat(MAX_BODY + 1), TOO_LARGE),
  packed("truncated gzip", GZIP.subarray(0, GZIP.length - 9)),
  packed("gzip without its end", GZIP.subarray(0, GZIP.length - 4)),
  packed("gzip with a wrong checksum", Buffer.concat([GZIP.subarray(0, -8), Buffer.alloc(8)])),
  packed("gzip with a wrong header", Buffer.concat([Buffer.from([0x1f]), GZIP.subarray(2)])),
  packed("plain text said to be gzip", Buffer.from('{"input":1}')),
  packed("a gzip bomb", gzipSync(Buffer.alloc(2 ** 24, " ")), 413),
  packed(
    "a gzip bomb of small members",
    Buffer.concat(Array.from({ length: 20 }, () => gzipSync(Buffer.alloc(10_000, " ")))),
    413,
  ),
  packed("packed bytes that are not JSON", gzipSync("nothing")),
  packed("packed bytes that are not UTF-8", gzipSync(Buffer.of(0xff))),
  packed("gzip in gzip", gzipSync(GZIP)),
  ...["br", "deflate", "zstd", "gzip, gzip", "x"].map((encoding) =>
    post(`encoding ${encoding}`, WRAPPED, "{}", UNKNOWN, { "content-encoding": encoding }),
  ),
  ...["nonsense", "/", "a/b/c d"].map((type) =>
    post(`content type ${type}`, WRAPPED, "{}", UNKNOWN, { "content-type": type }),
  ),
  ...[
    "input: [",
    "input: &a [*a]",
    "- \t- x",
    "a: b\n---\nc: d",
    "input: .inf",
    "%YAML 9\n---\n{",
    "? [a]\n: b",
  ].map((body) =>
    post(`YAML ${JSON.stringify(body)}`, WRAPPED, body, INVALID, { "content-type": "text/yaml" }),
  ),
  post("YAML too large", WRAPPED, `input: ${"x".repeat(40_000)}`, TOO_LARGE, {
    "content-type": "application/yaml",
  }),
];

const at = (method: string, path: string, answer: { status: number; code: string }): Malformed => ({
  what: `${method} ${path.slice(0, 60)}`,
  method,
  path,
  ...answer,
});

const paths: readonly Malformed[] = [
  ...["%zz", "%", "%f", "%ff", "%c3%28", "%ed%a0%80", "a/%e0%a4%a"].flatMap((path) => [
    at("GET", `/v1/data/${path}`, INVALID),
    at("POST", `/v0/data/${path}`, INVALID),
    at("POST", `/v1/batch/data/${path}`, INVALID),
  ]),
  ...["", "{", "undefined", "%00", "'1'", "%7B%22a%22"].map((input) =>
    at("GET", `${WRAPPED}?input=${input}`, INVALID),
  ),
  ...["team", "team:x", ":1", "team:-1", "team:1.5", "team:99999999999999999999", ""].map((least) =>
    at("GET", `${WRAPPED}?min_revision=${least}`, INVALID),
  ),
  at("GET", `${WRAPPED}?min_revision=team:1&min_revision_timeout=soon`, INVALID),
  ...[
    "/v1",
    "/v2/data",
    "/v1/database",
    "/v1/Data/x",
    "/v1//data/x",
    "/v1/data.json",
    "/%2e%2e/etc/passwd",
    "/__proto__",
    "/v1%2Fdata/x",
    // What would mean something in the pattern of a route.
    "/v1/*/x",
    "/*",
    "/:",
    "/:a(b",
    "/:a(.*)+",
    "/:a?/b",
    "/a::b:c",
  ].map((path) => at("GET", path, NOWHERE)),
  ...["PUT", "PATCH", "DELETE", "OPTIONS"].map((method) => at(method, WRAPPED, NOT_ALLOWED)),
  ...["GET", "PUT", "DELETE"].flatMap((method) => [
    at(method, RAW, NOT_ALLOWED),
    at(method, BATCH, NOT_ALLOWED),
    at(method, "/", NOT_ALLOWED),
  ]),
  ...["POST", "PUT"].flatMap((method) => [
    at(method, "/health", NOT_ALLOWED),
    at(method, "/v1/status", NOT_ALLOWED),
    at(method, "/v1/config", NOT_ALLOWED),
  ]),
  at("POST", "/v0/data/none", { status: 404, code: "undefined_document" }),
  at("POST", "/v0/data/constructor/prototype", { status: 404, code: "undefined_document" }),
  at("GET", "/v1/query?q=1", NOT_SUPPORTED),
  at("POST", "/v1/compile", NOT_SUPPORTED),
  at("PUT", "/v1/policies/x", NOT_SUPPORTED),
];

/** At least 150 requests that can't be answered. */
export const MALFORMED: readonly Malformed[] = [...bodies, ...shapes, ...paths];
