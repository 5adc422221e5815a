import { gzipSync } from "node:zlib";
import { readFile } from "node:fs/promises";
import { pack } from "tar-stream";
import { unpackBundle } from "../../src/policy/bundle-files.ts";

/** A bundle with these files. */
export async function packBundle(
  files: Iterable<readonly [name: string, content: string | Buffer]>,
): Promise<Buffer> {
  const archive = pack();
  for (const [name, content] of files) archive.entry({ name }, content);
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive as AsyncIterable<Buffer>) chunks.push(chunk);
  return gzipSync(Buffer.concat(chunks));
}

/** The files of a bundle of the repository, with some changed. */
export async function bundleWith(
  file: string,
  changes: Readonly<Record<string, string | Buffer>>,
): Promise<Buffer> {
  const files = new Map(await unpackBundle(await readFile(file), file));
  for (const [name, content] of Object.entries(changes)) files.set(name, Buffer.from(content));
  return packBundle(files);
}

/** A policy of the repository under another revision, with some files changed. */
export async function revised(
  file: string,
  revision: string,
  changes: Readonly<Record<string, string | Buffer>> = {},
): Promise<Buffer> {
  const files = await unpackBundle(await readFile(file), file);
  const manifest = JSON.parse(files.get(".manifest")!.toString()) as object;
  return bundleWith(file, { ...changes, ".manifest": JSON.stringify({ ...manifest, revision }) });
}
