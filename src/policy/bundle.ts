import { readFile, stat } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { extract, type Header } from "tar-stream";
import { parse as parseYaml } from "yaml";
import {
  isDeeperThan,
  isObjectText,
  MAX_JSON_DEPTH,
  mergeObjects,
  objectText,
  parseJsonText,
  repairSurrogates,
} from "../common/json-text.ts";
import { BridgeError, messageOf, quote } from "../errors.ts";

/** A policy ready to be activated. */
export interface Bundle {
  /** From the manifest; empty when it names none. */
  readonly revision: string;
  /** The paths of `data` that the bundle owns, from the manifest; `[""]` (all) when it names none. */
  readonly roots: readonly string[];
  readonly wasm: Uint8Array;
  /** The bundle's own data, as the JSON text of an object. */
  readonly data: string;
  /** Paths of the packages whose Rego the bundle carries. */
  readonly packages: readonly (readonly string[])[];
}

export interface BundleLimits {
  /** Bytes of the archive, unpacked. Default 256 MiB. */
  readonly maxBytes?: number;
  /** Files in the archive. Default 10,000. */
  readonly maxEntries?: number;
}

const MAX_BYTES = 256 * 2 ** 20;
const MAX_ENTRIES = 10_000;
const WASM_MAGIC = "\0asm";
const GZIP_MAGIC = 0x1f8b;

/**
 * Reads a bundle file: an archive as `opa build -t wasm` writes it, or a plain `.wasm` module.
 * Throws `BUNDLE_UNREADABLE` or `BUNDLE_INVALID`.
 */
export async function readBundle(file: string, limits: BundleLimits = {}): Promise<Bundle> {
  let bytes: Buffer;
  try {
    // Looked at first: a file that is too large is not even read.
    const { size } = await stat(file);
    if (size > (limits.maxBytes ?? MAX_BYTES)) throw tooLarge(file, limits.maxBytes ?? MAX_BYTES);
    bytes = await readFile(file);
  } catch (error) {
    if (error instanceof BridgeError) throw error;
    throw new BridgeError(
      "BUNDLE_UNREADABLE",
      `The bundle ${quote(file)} can't be read (${(error as NodeJS.ErrnoException).code}); check the path and its permissions.`,
      { cause: error },
    );
  }
  return parseBundle(bytes, file, limits);
}

/** As {@link readBundle}, for bytes; `name` stands for them in messages. */
export async function parseBundle(
  bytes: Buffer,
  name: string,
  { maxBytes = MAX_BYTES, maxEntries = MAX_ENTRIES }: BundleLimits = {},
): Promise<Bundle> {
  if (bytes.toString("latin1", 0, 4) === WASM_MAGIC) {
    checkModule(bytes, name);
    return { revision: "", roots: [""], wasm: bytes, data: "{}", packages: [] };
  }
  if (bytes.length < 2 || bytes.readUInt16BE(0) !== GZIP_MAGIC) {
    throw new BridgeError(
      "BUNDLE_UNREADABLE",
      `${quote(name)} is neither a bundle (tar.gz) nor a WebAssembly module; make one with: nats-opa-bridge build ./policies -e PATH`,
    );
  }
  const files = await unpack(bytes, name, maxBytes, maxEntries);
  return assemble(files, name);
}

async function unpack(
  bytes: Buffer,
  name: string,
  maxBytes: number,
  maxEntries: number,
): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  const archive = extract();
  // Everything that comes out of the archive counts, headers and padding too: none of it may be without end.
  const metered = async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let total = 0;
    for await (const chunk of source) {
      total += chunk.length;
      if (total > maxBytes) throw tooLarge(name, maxBytes);
      yield chunk;
    }
  };
  const unpacked = pipeline(Readable.from([bytes]), createGunzip(), metered, archive);
  // What goes wrong there ends the archive, and is thrown by the loop below.
  unpacked.catch(() => undefined);
  let entries = 0;
  try {
    for await (const entry of archive) {
      const { header } = entry;
      if (++entries > maxEntries)
        throw invalid(name, `it has more than ${maxEntries} entries`, "make it smaller");
      const path = checkedPath(header, name);
      // The size that it claims is enough to refuse it, before there is anything to keep.
      if ((header.size ?? 0) > maxBytes) throw tooLarge(name, maxBytes);
      const chunks: Buffer[] = [];
      for await (const chunk of entry as AsyncIterable<Buffer>) chunks.push(chunk);
      if (header.type === "file") files.set(path, Buffer.concat(chunks));
    }
    await unpacked;
  } catch (error) {
    if (error instanceof BridgeError) throw error;
    throw new BridgeError(
      "BUNDLE_UNREADABLE",
      `The bundle ${quote(name)} is damaged (${messageOf(error)}); build or copy it again.`,
      { cause: error },
    );
  }
  return files;
}

function checkedPath({ name: path, type }: Header, name: string): string {
  if (type === "symlink" || type === "link") {
    throw invalid(name, `it has a link, ${quote(path)}`, "pack files only");
  }
  return safePath(path, name);
}

/** `opa build` writes names with a leading slash; nothing may lead out of the archive. */
function safePath(path: string, name: string): string {
  const segments = path.split("/").filter((segment) => segment !== "" && segment !== ".");
  if (segments.includes("..")) {
    throw invalid(name, `it has a path that leads out of it, ${quote(path)}`, "pack it anew");
  }
  return segments.join("/");
}

function assemble(files: ReadonlyMap<string, Buffer>, name: string): Bundle {
  const manifest = readManifest(files.get(".manifest"), name);
  const modules = [...files.keys()].filter((path) => path.split("/").at(-1) === "policy.wasm");
  const module = manifest.module ?? modules[0];
  const wasm = module === undefined ? undefined : files.get(module);
  if (wasm === undefined) {
    throw invalid(
      name,
      `it has no ${module ?? "policy.wasm"}`,
      "build it with: nats-opa-bridge build ./policies -e PATH",
    );
  }
  checkModule(wasm, name);
  const data: string[] = [];
  const packages: string[][] = [];
  for (const [path, content] of files) {
    const folders = path.split("/");
    const file = folders.pop()!;
    if (file === "data.json" || file === "data.yaml" || file === "data.yml") {
      data.push(nest(folders, readData(content, path, name)));
    } else if (file.endsWith(".rego")) {
      const packagePath = packageOf(content.toString("utf8"));
      if (packagePath !== undefined) packages.push(packagePath);
    }
  }
  const { revision, roots } = manifest;
  return { revision, roots, wasm, data: mergeAll(data), packages };
}

function checkModule(wasm: Buffer, name: string): void {
  if (WebAssembly.validate(wasm as BufferSource)) return;
  throw invalid(name, "its policy is not a WebAssembly module", "build or copy it again");
}

/** Two by two, so that thousands of small files don't each cost the time of all before them. */
function mergeAll(texts: readonly string[]): string {
  if (texts.length < 2) return texts[0] ?? "{}";
  const half = texts.length >> 1;
  return mergeObjects(mergeAll(texts.slice(0, half)), mergeAll(texts.slice(half)));
}

function readManifest(
  content: Buffer | undefined,
  name: string,
): { revision: string; roots: string[]; module?: string } {
  if (content === undefined) return { revision: "", roots: [""] };
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
  return { revision, roots, ...(module !== undefined && { module }) };
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

/** Throws where the bytes are not UTF-8. */
function textOf(content: Buffer): string {
  return new TextDecoder("utf-8", { fatal: true }).decode(content);
}

function readData(content: Buffer, path: string, name: string): string {
  const isJson = path.endsWith(".json");
  let text: string | undefined;
  try {
    text = isJson ? jsonOf(textOf(content)) : yamlToJson(textOf(content));
  } catch (error) {
    const format = isJson ? "JSON" : "YAML";
    throw invalid(name, `${quote(path)} is not ${format} (${messageOf(error)})`, "correct it");
  }
  if (!isObjectText(text)) {
    throw invalid(
      name,
      `${quote(path)} does not hold an object`,
      "data files hold one JSON object",
    );
  }
  if (isDeeperThan(text, MAX_JSON_DEPTH - path.split("/").length)) {
    throw invalid(
      name,
      `${quote(path)} is nested deeper than ${MAX_JSON_DEPTH} levels`,
      "flatten it",
    );
  }
  return text;
}

function jsonOf(text: string): string {
  JSON.parse(text);
  return parseJsonText(text)!;
}

/** An empty file is an object without fields. Integers keep their digits, whatever their size. */
function yamlToJson(text: string): string {
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

function nest(folders: readonly string[], text: string): string {
  return folders.reduceRight((inner, folder) => objectText([[folder, inner]]), text);
}

/** The path of a module's package: `package a.b["c-d"]` → a, b, c-d. */
function packageOf(rego: string): string[] | undefined {
  const reference = /^[ \t]*package[ \t]+([^\s#;]+)/m.exec(rego)?.[1];
  if (reference === undefined) return undefined;
  const segments = reference.matchAll(/\["([^"]*)"\]|([^.[\]]+)/g);
  return [...segments].map(([, quoted, plain]) => quoted ?? plain!);
}

function tooLarge(name: string, maxBytes: number): BridgeError {
  return invalid(name, `it unpacks to more than ${maxBytes} bytes`, "make it smaller");
}

function invalid(name: string, what: string, remedy: string): BridgeError {
  return new BridgeError(
    "BUNDLE_INVALID",
    `The bundle ${quote(name)} can't be used: ${what}; ${remedy}.`,
  );
}
