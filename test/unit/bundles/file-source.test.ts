import { mkdir, mkdtemp, rename, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FileSource } from "../../../src/bundles/file-source.ts";
import { bundle } from "../policy/bundle-kit.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "file-source-"));
});
afterAll(() => rm(folder, { recursive: true }));

const never = new AbortController().signal;
/** Long over, so that nobody waits for more. */
const THEN = new Date(1_700_000_000_000);
const LATER = new Date(1_700_000_001_000);

function sourceOf(path: string, maxBytes = 1_000): FileSource {
  return new FileSource({ path, maxBytes });
}

async function write(path: string, content: string | Buffer, at: Date = THEN): Promise<void> {
  await writeFile(path, content);
  await utimes(path, at, at);
}

describe("a file that is looked at again", () => {
  it("is new when it was written again, or another was put in its place, were it of the same size", async () => {
    const file = join(folder, "file");
    const source = sourceOf(file);
    await write(file, "one");
    const first = await source.look(undefined, never);
    expect(await source.look(first!.version, never)).toBeUndefined();
    await write(file, "two", LATER);
    const second = await source.look(first!.version, never);
    expect(second).toBeDefined();
    await write(`${file}.new`, "six", LATER);
    await rename(`${file}.new`, file);
    expect(await source.look(second!.version, never)).toBeDefined();
  });

  it("is not read before all of it is there", async () => {
    const file = join(folder, "pieces.tar.gz");
    const whole = await bundle([["/data.json", "{}"]]);
    await writeFile(file, whole.subarray(0, 20));
    const source = sourceOf(file, 100_000);
    const looking = source.look(undefined, never);
    await writeFile(file, whole);
    const found = (await looking)!;
    expect([...(await found.load()).files.keys()]).toEqual(["data.json"]);
    // That was the last of it.
    expect(await source.look(found.version, never)).toBeUndefined();
  });
});

describe("a folder", () => {
  it("is new when a file in it is, or is there no more; what is hidden counts nothing", async () => {
    const path = join(folder, "folder");
    await mkdir(join(path, "a"), { recursive: true });
    await write(join(path, "a", "data.json"), "{}");
    await utimes(join(path, "a"), THEN, THEN);
    await utimes(path, THEN, THEN);
    const source = sourceOf(path);
    const first = await source.look(undefined, never);
    await write(join(path, ".data.json.swp"), "x");
    expect(await source.look(first!.version, never)).toBeUndefined();
    await write(join(path, "a", "data.json"), "[]", LATER);
    const second = await source.look(first!.version, never);
    expect([...(await second!.load()).files.keys()]).toEqual(["a/data.json"]);
    await rm(join(path, "a", "data.json"));
    expect((await source.look(second!.version, never))?.version).not.toBe(second!.version);
  });

  it("is refused with more bytes, or more files, than it may have", async () => {
    const large = join(folder, "large");
    await mkdir(large);
    for (const name of ["a", "b", "c"]) await write(join(large, name), Buffer.alloc(400));
    await utimes(large, THEN, THEN);
    const found = await sourceOf(large).look(undefined, never);
    await expect(found!.load()).rejects.toMatchObject({
      code: "BUNDLE_INVALID",
      message: expect.stringContaining("more than 1000 bytes") as string,
    });
    const many = join(folder, "many");
    await mkdir(many);
    for (let start = 0; start <= 10_000; start += 100) {
      const names = Array.from({ length: 100 }, (_, index) => `f${start + index}`);
      await Promise.all(names.map((name) => writeFile(join(many, name), "")));
    }
    await expect(sourceOf(many).look(undefined, never)).rejects.toMatchObject({
      code: "BUNDLE_INVALID",
      message: expect.stringContaining("more than 10000 files") as string,
    });
  });
});
