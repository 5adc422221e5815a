import { createGunzip } from "node:zlib";
import { readFile } from "node:fs/promises";
import { Readable } from "node:stream";
import { extract } from "tar-stream";
import { parse as parseYaml } from "yaml";
import {
  isDeeperThan,
  isObjectText,
  MAX_JSON_DEPTH,
  mergeObjects,
  objectText,
  parseJsonText,
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

const WASM_MAGIC = "\0asm";
const GZIP_MAGIC = 0x1f8b;

/**
 * Reads a bundle file: an archive as `opa build -t wasm` writes it, or a plain `.wasm` module.
 * Throws `BUNDLE_UNREADABLE` or `BUNDLE_INVALID`.
 */
export async function readBundle(file: string, limits: BundleLimits = {}): Promise<Bundle> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
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
  { maxBytes = 256 * 1024 * 1024, maxEntries = 10_000 }: BundleLimits = {},
): Promise<Bundle> {
  if (bytes.toString("latin1", 0, 4) === WASM_MAGIC) {
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
  let total = 0;
  const archive = extract();
  const unpacked = Readable.from([bytes]).pipe(createGunzip());
  unpacked.on("error", (error) => archive.destroy(error));
  unpacked.pipe(archive);
  try {
    for await (const entry of archive) {
      const { header } = entry;
      const path = safePath(header.name, name);
      if (header.type === "symlink" || header.type === "link") {
        throw invalid(name, `it has a link, ${quote(header.name)}`, "pack files only");
      }
      const chunks: Buffer[] = [];
      for await (const chunk of entry as AsyncIterable<Buffer>) {
        total += chunk.length;
        if (total > maxBytes)
          throw invalid(name, `it unpacks to more than ${maxBytes} bytes`, "make it smaller");
        chunks.push(chunk);
      }
      if (header.type !== "file") continue;
      if (files.size >= maxEntries)
        throw invalid(name, `it has more than ${maxEntries} files`, "make it smaller");
      files.set(path, Buffer.concat(chunks));
    }
  } catch (error) {
    if (error instanceof BridgeError) throw error;
    throw new BridgeError(
      "BUNDLE_UNREADABLE",
      `The bundle ${quote(name)} is damaged (${messageOf(error)}); build or copy it again.`,
      { cause: error },
    );
  } finally {
    unpacked.destroy();
  }
  return files;
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
      "it has no policy.wasm",
      "build it with: nats-opa-bridge build ./policies -e PATH",
    );
  }
  let data = "{}";
  const packages: string[][] = [];
  for (const [path, content] of files) {
    const folders = path.split("/");
    const file = folders.pop()!;
    if (file === "data.json" || file === "data.yaml" || file === "data.yml") {
      data = mergeObjects(data, nest(folders, readData(content, file, path, name)));
    } else if (file.endsWith(".rego")) {
      const packagePath = packageOf(content.toString("utf8"));
      if (packagePath !== undefined) packages.push(packagePath);
    }
  }
  return { revision: manifest.revision, roots: manifest.roots, wasm, data, packages };
}

function readManifest(
  content: Buffer | undefined,
  name: string,
): { revision: string; roots: string[]; module?: string } {
  if (content === undefined) return { revision: "", roots: [""] };
  let manifest: unknown;
  try {
    manifest = JSON.parse(content.toString("utf8"));
  } catch (error) {
    throw invalid(name, `its .manifest is not JSON (${messageOf(error)})`, "build it anew");
  }
  const { revision = "", roots = [""], wasm = [] } = (manifest ?? {}) as Record<string, unknown>;
  const isText = (value: unknown): value is string => typeof value === "string";
  if (!isText(revision) || !Array.isArray(roots) || !roots.every(isText) || !Array.isArray(wasm)) {
    throw invalid(name, "its .manifest has a field of the wrong type", "build it anew");
  }
  const module = (wasm[0] as { module?: unknown } | undefined)?.module;
  return { revision, roots, ...(isText(module) && { module: safePath(module, name) }) };
}

function readData(content: Buffer, file: string, path: string, name: string): string {
  let text: string | undefined;
  if (file === "data.json") text = parseJsonText(content.toString("utf8"));
  else {
    try {
      text = JSON.stringify(parseYaml(content.toString("utf8")) ?? {});
    } catch (error) {
      throw invalid(name, `${quote(path)} is not YAML (${messageOf(error)})`, "correct it");
    }
  }
  if (text === undefined || !isObjectText(text)) {
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

function invalid(name: string, what: string, remedy: string): BridgeError {
  return new BridgeError(
    "BUNDLE_INVALID",
    `The bundle ${quote(name)} can't be used: ${what}; ${remedy}.`,
  );
}
