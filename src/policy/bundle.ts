import { readFile, stat } from "node:fs/promises";
import { parse as parseYaml } from "yaml";
import { SplitError } from "../common/json-split.ts";
import { MAX_JSON_DEPTH, objectText, repairSurrogates } from "../common/json-text.ts";
import { textOf } from "../common/utf8.ts";
import { BridgeError, messageOf, quote } from "../errors.ts";
import { BaseData } from "./base-data.ts";
import {
  type BundleFiles,
  type BundleLimits,
  invalid,
  MAX_BUNDLE_BYTES,
  safePath,
  tooLarge,
  unpackBundle,
} from "./bundle-files.ts";
import { checkOwnRoots, type Root, rootOf } from "./roots.ts";

/** A policy, data, or both, ready to be activated. */
export interface Bundle {
  /** From the manifest; empty when it names none. */
  readonly revision: string;
  /** The paths of `data` that the bundle owns, from the manifest; `[""]` (all) when it names none. */
  readonly roots: readonly string[];
  /** The policy; undefined where the bundle brings only data. */
  readonly wasm: Uint8Array | undefined;
  /** The bundle's own data. */
  readonly data: BaseData;
  /** Paths of the packages whose Rego the bundle carries. */
  readonly packages: readonly (readonly string[])[];
}

const WASM_MAGIC = "\0asm";

/**
 * Reads a bundle file: an archive as `opa build -t wasm` writes it, or a plain `.wasm` module.
 * Throws `BUNDLE_UNREADABLE` or `BUNDLE_INVALID`.
 */
export async function readBundle(file: string, limits: BundleLimits = {}): Promise<Bundle> {
  return parseBundle(await readBundleFile(file, limits), file, limits);
}

/** A bundle file's bytes, if they aren't too many. Throws `BUNDLE_UNREADABLE` or `BUNDLE_INVALID`. */
export async function readBundleFile(file: string, limits: BundleLimits = {}): Promise<Buffer> {
  const { maxBytes = MAX_BUNDLE_BYTES } = limits;
  try {
    // Looked at first: a file that is too large is not even read.
    const { size } = await stat(file);
    if (size > maxBytes) throw tooLarge(file, maxBytes);
    return await readFile(file);
  } catch (error) {
    throw error instanceof BridgeError ? error : unreadable(file, error);
  }
}

/** The system does not let a bundle be read. */
export function unreadable(file: string, error: unknown): BridgeError {
  return new BridgeError(
    "BUNDLE_UNREADABLE",
    `The bundle ${quote(file)} can't be read (${(error as NodeJS.ErrnoException).code}); check the path and its permissions.`,
    { cause: error },
  );
}

/** As {@link readBundle}, for bytes; `name` stands for them in messages. */
export async function parseBundle(
  bytes: Buffer,
  name: string,
  limits: BundleLimits = {},
): Promise<Bundle> {
  return assembleBundle(await bundleFilesOf(bytes, name, limits), name);
}

/** The files of an archive; a plain module is a bundle of one file. */
export async function bundleFilesOf(
  bytes: Buffer,
  name: string,
  limits: BundleLimits,
): Promise<BundleFiles> {
  if (bytes.toString("latin1", 0, 4) === WASM_MAGIC) return new Map([[MODULE, bytes]]);
  return unpackBundle(bytes, name, limits);
}

const MODULE = "policy.wasm";

/** Makes a bundle of its files. Throws `BUNDLE_INVALID`. */
export async function assembleBundle(files: BundleFiles, name: string): Promise<Bundle> {
  if (files.has("patch.json")) {
    throw invalid(name, "it is a delta bundle", "serve whole bundles");
  }
  const manifest = readManifest(files.get(".manifest"), name);
  const wasm = await moduleOf(files, manifest.module, name);
  const data: BaseData[] = [];
  const packages: string[][] = [];
  for (const [path, content] of files) {
    const folders = path.split("/");
    const file = folders.pop()!;
    if (file === "data.json" || file === "data.yaml" || file === "data.yml") {
      data.push((await readData(content, path, name)).under(folders));
    } else if (file.endsWith(".rego")) {
      const packagePath = packageOf(content.toString("utf8"));
      if (packagePath !== undefined) packages.push(packagePath);
    }
  }
  const { revision, roots } = manifest;
  const bundle: Bundle = { revision, roots, wasm, data: BaseData.merge(data), packages };
  const problem = checkOwnRoots(bundle, manifest.entrypoints);
  if (problem !== undefined) throw invalid(name, problem, "correct the roots in its .manifest");
  return bundle;
}

/** Its policy; a bundle without one, and without Rego that one should have been made of, is data only. */
async function moduleOf(
  files: BundleFiles,
  named: string | undefined,
  name: string,
): Promise<Buffer | undefined> {
  const paths = [...files.keys()];
  const path = named ?? paths.find((path) => path.split("/").at(-1) === MODULE);
  const wasm = path === undefined ? undefined : files.get(path);
  if (wasm !== undefined) {
    await checkModule(wasm, name);
    return wasm;
  }
  const isData = paths.some((path) => /(?:^|\/)(?:data\.(?:json|ya?ml)|\.manifest)$/.test(path));
  if (path === undefined && isData && !paths.some((path) => path.endsWith(".rego"))) {
    return undefined;
  }
  throw invalid(
    name,
    `it has no ${path ?? MODULE}`,
    "build it with: nats-opa-bridge build ./policies -e PATH",
  );
}

/** Compiled on another thread: it may take a while, and is not lost, because the engine keeps what it has compiled. */
async function checkModule(wasm: Buffer, name: string): Promise<void> {
  try {
    await WebAssembly.compile(wasm as BufferSource);
  } catch (error) {
    if (!(error instanceof WebAssembly.CompileError)) throw error;
    throw invalid(name, "its policy is not a WebAssembly module", "build or copy it again");
  }
}

interface Manifest {
  readonly revision: string;
  readonly roots: string[];
  readonly entrypoints: readonly Root[];
  readonly module?: string;
}

function readManifest(content: Buffer | undefined, name: string): Manifest {
  if (content === undefined) return { revision: "", roots: [""], entrypoints: [] };
  let manifest: unknown;
  try {
    manifest = JSON.parse(textOf(content));
  } catch (error) {
    throw invalid(name, `its .manifest is not JSON (${messageOf(error)})`, "build it anew");
  }
  const wrong = (field: string): BridgeError =>
    invalid(name, `its .manifest has ${field} of the wrong type`, "build it anew");
  if (!isMap(manifest)) {
    throw invalid(name, "its .manifest does not hold an object", "build it anew");
  }
  const { revision = "", roots = [""], wasm = [] } = manifest;
  if (typeof revision !== "string") throw wrong("a revision");
  if (!isTexts(roots)) throw wrong("roots");
  const modules = Array.isArray(wasm) ? wasm.map((item) => isMap(item) && item["module"]) : [false];
  if (!isTexts(modules)) throw wrong("wasm");
  const [module, ...others] = new Set(modules.map((path) => safePath(path, name)));
  if (others.length > 0) {
    throw invalid(name, `it has ${others.length + 1} modules`, "build all entrypoints into one");
  }
  const entrypoints = (wasm as readonly Readonly<Record<string, unknown>>[])
    .map((item) => item["entrypoint"])
    .filter((entrypoint) => entrypoint !== undefined);
  if (!isTexts(entrypoints)) throw wrong("wasm");
  return {
    revision,
    roots,
    entrypoints: entrypoints.map(rootOf),
    ...(module !== undefined && { module }),
  };
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

async function readData(content: Buffer, path: string, name: string): Promise<BaseData> {
  const isJson = path.endsWith(".json");
  const maxDepth = MAX_JSON_DEPTH - path.split("/").length + 1;
  try {
    const json = isJson ? content : yamlToJson(textOf(content));
    return await BaseData.parse(json, undefined, maxDepth);
  } catch (error) {
    const problem = error instanceof SplitError ? error.problem : "syntax";
    if (problem === "not-object") {
      const remedy = "data files hold one JSON object";
      throw invalid(name, `${quote(path)} does not hold an object`, remedy);
    }
    if (problem === "too-deep") {
      const what = `${quote(path)} is nested deeper than ${MAX_JSON_DEPTH} levels`;
      throw invalid(name, what, "flatten it");
    }
    const format = isJson ? "JSON" : "YAML";
    throw invalid(name, `${quote(path)} is not ${format} (${messageOf(error)})`, "correct it");
  }
}

/** An empty file is an object without fields. Integers keep their digits, whatever their size. */
export function yamlToJson(text: string): string {
  const value: unknown = parseYaml(text, { intAsBigInt: true, logLevel: "error" }) ?? {};
  return repairSurrogates(jsonText(value));
}

function jsonText(value: unknown): string {
  if (typeof value === "bigint") return String(value);
  if (Array.isArray(value)) return `[${value.map(jsonText).join(",")}]`;
  if (isMap(value)) {
    return objectText(Object.entries(value).map(([name, item]) => [name, jsonText(item)]));
  }
  return JSON.stringify(value) ?? "null";
}

/** The path of a module's package: `package a.b["c-d"]` → a, b, c-d. */
function packageOf(rego: string): string[] | undefined {
  const reference = /^[ \t]*package[ \t]+([^\s#;]+)/m.exec(rego)?.[1];
  if (reference === undefined) return undefined;
  const segments = reference.matchAll(/\["([^"]*)"\]|([^.[\]]+)/g);
  return [...segments].map(([, quoted, plain]) => quoted ?? plain!);
}
