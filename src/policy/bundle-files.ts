import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { extract, type Header } from "tar-stream";
import { BridgeError, messageOf, quote } from "../errors.ts";

/** The files of a bundle: path, without a slash in front, → content. */
export type BundleFiles = ReadonlyMap<string, Buffer>;

/** How large a bundle may be. */
export interface BundleLimits {
  /** Bytes of the bundle, unpacked. Default 256 MiB. */
  readonly maxBytes?: number | undefined;
  /** Entries in the archive. Default 10,000. */
  readonly maxEntries?: number | undefined;
}

export const MAX_BUNDLE_BYTES: number = 256 * 2 ** 20;
export const MAX_BUNDLE_ENTRIES = 10_000;
const GZIP_MAGIC = 0x1f8b;

/** Unpacks a bundle's archive. `name` stands for it in messages. Rejects with `BUNDLE_UNREADABLE` or `BUNDLE_INVALID`. */
export async function unpackBundle(
  bytes: Buffer,
  name: string,
  { maxBytes = MAX_BUNDLE_BYTES, maxEntries = MAX_BUNDLE_ENTRIES }: BundleLimits = {},
): Promise<BundleFiles> {
  if (bytes.length < 2 || bytes.readUInt16BE(0) !== GZIP_MAGIC) {
    throw new BridgeError(
      "BUNDLE_UNREADABLE",
      `${quote(name)} is neither a bundle (tar.gz) nor a WebAssembly module; make one with: nats-opa-bridge build ./policies -e PATH`,
    );
  }
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
      const kept = header.type === "file" ? (header.size ?? 0) : 0;
      const content = await contentOf(entry as AsyncIterable<Buffer>, kept);
      if (header.type !== "file") continue;
      if (files.has(path)) {
        throw invalid(name, `it has ${quote(path)} twice`, "pack it anew");
      }
      files.set(path, content);
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

/** The first `size` bytes, each put into its place as it comes: to copy a large file at the end keeps everybody. */
async function contentOf(entry: AsyncIterable<Buffer>, size: number): Promise<Buffer> {
  const content = Buffer.allocUnsafe(size);
  let length = 0;
  for await (const chunk of entry) length += chunk.copy(content, length);
  return content.subarray(0, length);
}

function checkedPath({ name: path, type }: Header, name: string): string {
  if (type === "symlink" || type === "link") {
    throw invalid(name, `it has a link, ${quote(path)}`, "pack files only");
  }
  return safePath(path, name);
}

/** `opa build` writes names with a leading slash; nothing may lead out of the archive. */
export function safePath(path: string, name: string): string {
  const segments = path.split("/").filter((segment) => segment !== "" && segment !== ".");
  if (segments.includes("..")) {
    throw invalid(name, `it has a path that leads out of it, ${quote(path)}`, "pack it anew");
  }
  return segments.join("/");
}

/** It is larger than it may be. */
export function tooLarge(name: string, maxBytes: number): BridgeError {
  return invalid(name, `it unpacks to more than ${maxBytes} bytes`, "make it smaller");
}

/** It is a bundle, and can't be used: what is wrong with it, then the remedy. */
export function invalid(name: string, what: string, remedy: string): BridgeError {
  return new BridgeError(
    "BUNDLE_INVALID",
    `The bundle ${quote(name)} can't be used: ${what}; ${remedy}.`,
  );
}
