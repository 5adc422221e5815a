import { existsSync } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { beforeAll, describe, expect, inject, it } from "vitest";
import { relativeLinks } from "../docs/links.ts";
import { ROOT } from "./project.ts";
import { run } from "./run.ts";

interface Manifest {
  readonly files: readonly string[];
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly bin: Readonly<Record<string, string>>;
}

const unpacked = inject("unpacked");
let manifest: Manifest;
let files: string[];

beforeAll(async () => {
  manifest = JSON.parse(await readFile(join(unpacked, "package.json"), "utf8")) as Manifest;
  const entries = await readdir(unpacked, { recursive: true, withFileTypes: true });
  files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(unpacked.length + 1))
    .toSorted();
});

describe("the package", () => {
  it("has what its users need at the top, and nothing else", async () => {
    expect((await readdir(unpacked)).toSorted()).toEqual([
      "CHANGELOG.md",
      "CONTRIBUTING.md",
      "LICENSE",
      "README.md",
      "SECURITY.md",
      "capabilities.json",
      "console",
      "dist",
      "docker-compose.yaml",
      "docs",
      "examples",
      "package.json",
    ]);
  });

  it("has nothing of its making: no sources, tests, maps, tools or settings", () => {
    const strangers = files.filter((file) => {
      if (/(^|\/)(\.|node_modules\/)/.test(file)) return true;
      if (file.startsWith("dist/")) return !/(\.d\.ts|\.js)$/.test(file);
      return /\.(test\.ts|test\.js|map|log|tgz)$/.test(file);
    });
    expect(strangers).toEqual([]);
    expect(files.filter((file) => file.startsWith("dist/tools/main."))).toEqual([]);
  });

  it("has, for every source, what is built of it", async () => {
    const sources = await readdir(join(ROOT, "src"), { recursive: true });
    const expected = sources
      .filter((file) => file.endsWith(".ts") && file !== join("tools", "main.ts"))
      .flatMap((file) => [".js", ".d.ts"].map((end) => `dist/${file.slice(0, -3)}${end}`));
    expect(files.filter((file) => file.startsWith("dist/"))).toEqual(expected.toSorted());
    expect(expected.length).toBeGreaterThan(100);
  });

  it("leads to no map that isn't there", async () => {
    const built = files.filter((file) => file.startsWith("dist/"));
    const leading = await Promise.all(
      built.map(async (file) => {
        const text = await readFile(join(unpacked, file), "utf8");
        return text.includes("sourceMappingURL") ? [file] : [];
      }),
    );
    expect(leading.flat()).toEqual([]);
  });

  it("has every file that package.json names", async () => {
    const exported = Object.values(manifest.exports).flatMap((target) =>
      typeof target === "string" ? [target] : Object.values(target),
    );
    const named = [...exported, ...Object.values(manifest.bin)];
    for (const file of named) await expect(stat(join(unpacked, file))).resolves.toBeDefined();
    expect(named.length).toBeGreaterThan(3);
    for (const pattern of manifest.files) {
      const file = pattern.replace(/^!/, "").replace(/\*$/, "");
      const [directory, start] = [dirname(join(ROOT, file)), basename(file)];
      // What is left out must be there to be left out: in the sources, as dist is made of them.
      const place = pattern.startsWith("!dist/") ? directory.replace("/dist/", "/src/") : directory;
      if (pattern === "dist") continue;
      expect([pattern, (await readdir(place)).some((name) => name.startsWith(start))]).toEqual([
        pattern,
        true,
      ]);
    }
  });

  it("has every file that its documents lead to", async () => {
    const documents = files.filter((file) => file.endsWith(".md"));
    const leading = await Promise.all(
      documents.map(async (from) => {
        const text = await readFile(join(unpacked, from), "utf8");
        return relativeLinks(text).map((to) => ({ from, to }));
      }),
    );
    const links = leading.flat().filter(({ to }) => !to.startsWith("#"));
    const broken = links.filter(({ from, to }) => {
      const file = join(dirname(from), to.split("#")[0]!);
      return !existsSync(join(unpacked, file)) || file.startsWith("..");
    });
    expect(broken).toEqual([]);
    expect(links.filter(({ from }) => from === "README.md").length).toBeGreaterThan(10);
  });

  it("has a program that the system can start", async () => {
    const [program] = Object.values(manifest.bin);
    expect(await readFile(join(unpacked, program!), "utf8")).toMatch(/^#!\/usr\/bin\/env node\n/);
  });

  it("satisfies publint", async () => {
    const publint = join(ROOT, "node_modules/publint/src/cli.js");
    const args = [publint, "run", inject("tarball"), "--strict"];
    const { code, stdout, stderr } = await run(process.execPath, args, { cwd: ROOT });
    expect([code, `${stdout}${stderr}`]).toEqual([0, expect.stringContaining("All good!")]);
  });

  it("has types that are found as its modules are, as attw sees it", async () => {
    const attw = join(ROOT, "node_modules/@arethetypeswrong/cli/dist/index.js");
    const args = [attw, inject("tarball"), "--profile", "esm-only", "--format", "json"];
    const { code, stdout } = await run(process.execPath, args, { cwd: ROOT });
    const { analysis } = JSON.parse(stdout) as { analysis: { types: unknown } };
    expect(analysis.types).toEqual({ kind: "included" });
    expect(code).toBe(0);
  });
});
