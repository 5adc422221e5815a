import { gzipSync } from "node:zlib";
import { type Header, pack } from "tar-stream";
import { expect } from "vitest";
import { BridgeError } from "../../../src/errors.ts";
import { parseBundle } from "../../../src/policy/bundle.ts";
import type { BundleLimits } from "../../../src/policy/bundle-files.ts";

/** The smallest WebAssembly module. */
export const MODULE: Buffer = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
export const MANIFEST: Record<string, unknown> = {
  revision: "r1",
  roots: ["a"],
  wasm: [{ entrypoint: "a/b", module: "/policy.wasm" }],
};
export type Content = Buffer | string | Partial<Header>;

/** A tar archive with these entries; a header in place of the content makes an entry without content. */
export async function tar(
  entries: readonly (readonly [name: string, content: Content])[],
): Promise<Buffer> {
  const archive = pack();
  for (const [name, content] of entries) {
    if (typeof content === "string" || Buffer.isBuffer(content)) archive.entry({ name }, content);
    else archive.entry({ name, ...content });
  }
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export async function bundle(entries: readonly (readonly [string, Content])[]): Promise<Buffer> {
  return gzipSync(await tar(entries));
}

/** A bundle that is good but for what is added to it. */
export function policyWith(...entries: readonly (readonly [string, Content])[]): Promise<Buffer> {
  return bundle([["/policy.wasm", MODULE], ...entries]);
}

/** A gigabyte of zeros, packed: gzip may be put together from parts. */
export function packedGigabyte(start: Buffer): Buffer {
  const megabyte = gzipSync(Buffer.alloc(2 ** 20));
  return Buffer.concat([gzipSync(start), ...Array<Buffer>(1_024).fill(megabyte)]);
}

export async function refusal(bytes: Buffer, limits?: BundleLimits): Promise<BridgeError> {
  const outcome: unknown = await parseBundle(bytes, "/srv/bundle.tar.gz", limits).catch(
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(BridgeError);
  const error = outcome as BridgeError;
  expect(error.message).toContain('"/srv/bundle.tar.gz"');
  // What is wrong, then the remedy.
  expect(error.message).toMatch(/; [a-z].*\S$/s);
  return error;
}
