import { mkdir, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { persist, persistedFile, readPersisted } from "../../../src/bundles/disk.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "disk-"));
});
afterAll(() => rm(directory, { recursive: true }));

const NAMES = ["..", ".", "%2E", "../../etc", "a/b", "a%2Fb", "a\\b", "c:"];

describe("a bundle on disk", () => {
  it("is replaced as a whole: who reads meanwhile sees the old one or the new one", async () => {
    const file = persistedFile(directory, "whole");
    const versions = [1, 2].map((byte) => Buffer.alloc(2 ** 24, byte));
    await persist(file, versions[0]!);
    const seen = new Set<string>();
    const written = new AbortController();
    const writing = (async () => {
      for (let count = 1; count <= 6; count++) await persist(file, versions[count % 2]!);
      written.abort();
    })();
    while (!written.signal.aborted) {
      const bytes = (await readPersisted(file))!;
      const version = versions.find((each) => each.equals(bytes));
      seen.add(version === undefined ? `${bytes.length} bytes` : "whole");
    }
    await writing;
    expect([...seen]).toEqual(["whole"]);
    expect(await readdir(dirname(file))).toEqual([basename(file)]);
  });

  it("leaves nothing beside it when it can't be put in place", async () => {
    const file = persistedFile(directory, "blocked");
    await mkdir(file, { recursive: true });
    await expect(persist(file, Buffer.from("new"))).rejects.toThrow(
      /EISDIR|ENOTEMPTY|EEXIST|EPERM/,
    );
    expect(await readdir(dirname(file))).toEqual([basename(file)]);
  });

  it.skipIf(process.platform === "win32")("is nobody else's to read", async () => {
    const file = persistedFile(directory, "private");
    await persist(file, Buffer.from("policy"));
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await stat(dirname(file))).mode & 0o777).toBe(0o700);
  });

  it.each(NAMES)(
    "stays in its directory, and apart from others, whatever its name: %s",
    async (name) => {
      const file = persistedFile(directory, name);
      const [top, folder, base, ...rest] = relative(directory, file).split(/[\\/]/);
      expect([top, base, rest]).toEqual(["bundles", "bundle.tar.gz", []]);
      expect(folder).toMatch(/^[^.][^.]*$/);
      expect(NAMES.filter((other) => persistedFile(directory, other) === file)).toEqual([name]);
      await persist(file, Buffer.from(name));
      expect(await readFile(file, "utf8")).toBe(name);
    },
  );
});
