import { execFile, spawn } from "node:child_process";
import { mkdir, readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import { objectFields, objectText } from "../dist/common/json-text.js";
import { BaseData } from "../dist/policy/base-data.js";
import { PolicyEngine } from "../dist/policy/engine.js";
import { PolicyStore } from "../dist/store/policy-store.js";
import { decodeValue } from "../dist/store/value.js";
import { mismatch, sameText } from "./conformance/expected.mjs";

// `npm run conformance [-- --sample N] [--json] [--only TEXT]`: OPA's own compliance cases, compiled by OPA to
// WebAssembly with our capabilities and answered by the engine, whose data is patched in key by key. What can't
// be supported is listed with its reason in test/conformance/unsupported.json; a listed case that passes is a
// failure like one that fails and is not listed. With --json the last line is the outcome as one JSON object.

const ROOT = new URL("..", import.meta.url);
const LIST = new URL("test/conformance/unsupported.json", ROOT);
const SOURCES = fileURLToPath(new URL("conformance/", import.meta.url));
const CACHE = fileURLToPath(new URL(".tools/conformance/", ROOT));
const COMPILER = fileURLToPath(new URL(".tools/conformance-compiler", ROOT));
const LEAST_SHARE = 0.99;
const ENTRYPOINT = "eval";
const BUCKET = "root";
const OWNER = {};

/** Buckets are not what the cases are about: there is none. */
const NO_BUCKETS = {
  isWatched: () => false,
  watch: () => undefined,
  load: () => Promise.reject(new Error("no buckets here")),
  pin: () => () => undefined,
  recentFailure: () => undefined,
  state: () => ({ state: "unwatched" }),
};

function option(name) {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
}

const execute = promisify(execFile);

/** Builds the compiler of the cases; undefined where there is no Go. */
async function buildCompiler() {
  for (const go of ["go", "/usr/local/go/bin/go"]) {
    try {
      await execute(go, ["version"]);
    } catch {
      continue;
    }
    await mkdir(CACHE, { recursive: true });
    await execute(go, ["build", "-o", COMPILER, "."], { cwd: SOURCES });
    return COMPILER;
  }
  return undefined;
}

/** The cases, as the compiler prints them, in order. */
async function compiledCases(compiler, sample) {
  const capabilities = fileURLToPath(new URL("capabilities.json", ROOT));
  const args = ["-capabilities", capabilities, "-cache", CACHE, "-sample", sample];
  const child = spawn(compiler, args, { cwd: SOURCES, stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const cases = [];
  for await (const line of createInterface({ input: child.stdout })) cases.push(JSON.parse(line));
  const code = await ended;
  if (code !== 0) throw new Error(`the compiler of the cases ended with code ${code}`);
  return cases;
}

const isKey = (name) => /^[-/_=a-zA-Z0-9]+$/.test(name);

/** Names at the top stand in the root bucket, as keys of two levels where they can. */
function* keysOf(name, text) {
  const fields = text.startsWith("{") ? [...objectFields(text)] : [];
  const dotted = fields.length > 0 && fields.every(([field]) => isKey(field));
  if (!dotted) yield [name, text];
  else for (const [field, item] of fields) yield [`${name}.${field}`, item];
}

/** Evaluates a case: the answer's text, or the error. */
async function evaluate(test) {
  const store = new PolicyStore({ rootBucket: BUCKET });
  const engine = new PolicyEngine({
    store,
    demand: NO_BUCKETS,
    queryTimeoutMs: 5_000,
    outbound: { allowNet: ["10.0.0.0", "::", "localhost"], allowPrivate: true },
    maxMemoryBytes: 64 * 2 ** 20,
  });
  await store.transact((tx) => tx.mount(BUCKET, OWNER, store.createDocument(BUCKET)));
  const data = [...objectFields(test.data ?? "{}")];
  // The root bucket can't hold what is no key.
  const isResident = ([name]) => isKey(name) && name !== "nats";
  await engine.activate({
    revision: "",
    roots: [""],
    wasm: gunzipSync(await readFile(`${CACHE}${test.wasm}`)),
    data: await BaseData.parse(objectText(data.filter((entry) => !isResident(entry)))),
    packages: [],
  });
  let revision = 0;
  for (const [key, text] of data.filter(isResident).flatMap((entry) => [...keysOf(...entry)])) {
    const value = decodeValue(Buffer.from(text), 1);
    const change = { key, revision: ++revision, value };
    await store.transact((tx) => tx.change(BUCKET, OWNER, [change]));
  }
  const before = { ...process.env };
  Object.assign(process.env, test.env);
  try {
    const options = { strictBuiltinErrors: test.strict_error === true };
    return { result: await engine.decide(ENTRYPOINT, test.input, options) };
  } catch (error) {
    return { error };
  } finally {
    for (const name of Object.keys(test.env ?? {})) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
    engine.close();
  }
}

/** Why a case did not pass, undefined when it did. */
async function reasonOf(test) {
  if (test.wasm === undefined) return { reason: test.compile_error };
  const answer = await evaluate(test).catch((error) => ({ error }));
  const reason = mismatch(test, answer);
  const otherText = reason === undefined && answer.error && !sameText(test, answer.error.message);
  return { reason, ...(otherText && { otherText: answer.error.message }) };
}

async function main() {
  const json = process.argv.includes("--json");
  const compiler = await buildCompiler();
  if (compiler === undefined) {
    console.error("Go is not there, which compiles OPA's compliance cases: they were not run.");
    return process.env.CI === "true" ? 1 : 0;
  }
  const listed = JSON.parse(await readFile(LIST, "utf8"));
  const only = option("--only");
  const cases = await compiledCases(compiler, option("--sample") ?? "0");
  const outcome = { cases: 0, passed: 0, unsupported: [], failed: [] };
  const [failures, otherTexts] = [[], []];
  for (const test of cases) {
    if (only !== undefined && !test.id.includes(only)) continue;
    outcome.cases++;
    const { reason, otherText } = await reasonOf(test);
    if (otherText) otherTexts.push(`${test.id}: ${otherText}\n    OPA: ${test.want_error}`);
    if (Object.hasOwn(listed, test.id)) {
      if (reason !== undefined) {
        outcome.unsupported.push({ case: test.id, reason: listed[test.id] });
        continue;
      }
      failures.push(`${test.id}: passes, but is listed as not supported`);
    } else if (reason === undefined) {
      outcome.passed++;
      continue;
    } else failures.push(`${test.id}: ${reason}`);
    outcome.failed.push(test.id);
  }
  // Only when all cases were there can one that is listed be missing.
  if (only === undefined && option("--sample") === undefined) {
    const known = new Set(cases.map(({ id }) => id));
    for (const id of Object.keys(listed)) {
      if (known.has(id)) continue;
      failures.push(`${id}: is listed, but OPA has no such case`);
      outcome.failed.push(id);
    }
  }
  for (const failure of failures) console.log(failure);
  if (process.argv.includes("--texts")) for (const text of otherTexts) console.log(text);
  console.log(
    `${outcome.passed} of ${outcome.cases} passed, ${outcome.unsupported.length} not supported, ` +
      `${outcome.failed.length} failed; ${otherTexts.length} errors in other words than OPA's`,
  );
  if (json) console.log(JSON.stringify(outcome));
  const enough = only !== undefined || outcome.passed >= LEAST_SHARE * outcome.cases;
  return outcome.failed.length === 0 && enough ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error.stderr || error);
  process.exitCode = 1;
}
