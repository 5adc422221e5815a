import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { access, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { copyProject, scratch } from "./project.ts";
import { type Ended, must, run } from "./run.ts";

const hasGit = spawnSync("git", ["--version"]).status === 0;

let directory: Awaited<ReturnType<typeof scratch>>;
let repository: string;
let version: string;

function git(...args: readonly string[]): Promise<string> {
  const identity = ["-c", "user.name=Test", "-c", "user.email=test@localhost"];
  return must("git", [...identity, ...args], { cwd: repository });
}

async function commit(): Promise<void> {
  await git("add", "--all");
  await git("commit", "--quiet", "--allow-empty", "--message", "Test");
}

function release(): Promise<Ended> {
  return run("npm", ["run", "--silent", "release"], { cwd: repository });
}

async function changelog(text: string): Promise<void> {
  await writeFile(join(repository, "CHANGELOG.md"), text);
  await commit();
}

/** What the release says is wrong; it must have made nothing. */
async function refusal(): Promise<string> {
  const { code, stdout, stderr } = await release();
  expect([code, stdout]).toEqual([1, ""]);
  await expect(access(join(repository, ".release"))).rejects.toThrow("ENOENT");
  return stderr;
}

function sha256(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

beforeAll(async () => {
  if (!hasGit) return;
  directory = await scratch();
  repository = join(directory.path, "project");
  await copyProject(repository);
  const manifest = await readFile(join(repository, "package.json"), "utf8");
  ({ version } = JSON.parse(manifest) as { version: string });
  // As whoever releases does: what is not released yet belongs to the version.
  const file = join(repository, "CHANGELOG.md");
  const lines = (await readFile(file, "utf8")).split("\n");
  const heading = lines.findIndex((line) => line.startsWith(`## [${version}]`));
  const [moved] = lines.splice(heading, 1);
  lines.splice(lines.indexOf("## [Unreleased]") + 1, 0, "", moved!);
  await writeFile(file, lines.join("\n"));
  await git("init", "--quiet");
  // The pattern of .gitignore with a slash behind it would not name this link.
  await writeFile(join(repository, ".git/info/exclude"), "node_modules\n");
  await commit();
});

afterAll(() => directory?.[Symbol.asyncDispose]());

describe.skipIf(!hasGit)("npm run release (needs git)", () => {
  let ended: Ended;

  beforeAll(async () => {
    ended = await release();
  });

  it("makes the package, its SBOM and their sums, and says what is next", async () => {
    const { code, stdout, stderr } = ended;
    expect([code, stderr]).toEqual([0, ""]);
    const tarball = `nats-opa-bridge-${version}.tgz`;
    const sbomFile = `nats-opa-bridge-${version}.cdx.json`;
    const made = join(repository, ".release");
    expect((await readdir(made)).toSorted()).toEqual(["SHA256SUMS", sbomFile, tarball].toSorted());
    expect(stdout).toContain(`npm publish .release/${tarball} --provenance`);
    expect(await git("status", "--porcelain")).toBe("");

    const sums = await readFile(join(made, "SHA256SUMS"), "utf8");
    for (const file of [tarball, sbomFile]) {
      expect(sums).toContain(`${sha256(await readFile(join(made, file)))}  ${file}\n`);
    }
    // The same sources make the same package, to the byte.
    const args = ["pack", "--silent", "--pack-destination", directory.path];
    await must("npm", args, { cwd: repository });
    const [content, again] = await Promise.all([
      readFile(join(made, tarball)),
      readFile(join(directory.path, tarball)),
    ]);
    expect(sha256(content)).toBe(sha256(again));
  });

  it("lists in the SBOM what production has by the lockfile, and nothing that only development has", async () => {
    const made = join(repository, ".release");
    const sbom = JSON.parse(
      await readFile(join(made, `nats-opa-bridge-${version}.cdx.json`), "utf8"),
    ) as {
      bomFormat: string;
      metadata: { component: { name: string; version: string; hashes: { content: string }[] } };
      components: { name: string; version: string; licenses: unknown; hashes: unknown }[];
    };
    const { component } = sbom.metadata;
    expect([sbom.bomFormat, component.name, component.version]).toEqual([
      "CycloneDX",
      "nats-opa-bridge",
      version,
    ]);
    const tarball = await readFile(join(made, `nats-opa-bridge-${version}.tgz`));
    expect(component.hashes.map(({ content }) => content)).toEqual([sha256(tarball)]);

    const lock = JSON.parse(await readFile(join(repository, "package-lock.json"), "utf8")) as {
      packages: Record<string, { version: string; dev?: boolean; devOptional?: boolean }>;
    };
    const locked = Object.entries(lock.packages)
      .filter(([path, { dev, devOptional }]) => path !== "" && !dev && !devOptional)
      .map(
        ([path, { version }]) => `${path.slice(path.lastIndexOf("node_modules/") + 13)}@${version}`,
      );
    const listed = sbom.components.map(({ name, version }) => `${name}@${version}`);
    expect(listed.toSorted()).toEqual([...new Set(locked)].toSorted());
    expect(listed.length).toBeGreaterThan(20);
    for (const { name, licenses, hashes } of sbom.components) {
      expect([name, licenses, hashes]).toEqual([name, expect.anything(), expect.anything()]);
    }
  });
});

describe.skipIf(!hasGit)("npm run release, when something is missing (needs git)", () => {
  beforeEach(() => rm(join(repository, ".release"), { recursive: true, force: true }));

  it("refuses a tree with changes", async () => {
    const file = join(repository, "src/new.ts");
    await writeFile(file, "export {};\n");
    const said = await refusal();
    expect(said).toMatch(/can't be released: the tree has changes; commit them .*\n.*src\/new\.ts/);
    await rm(file);
  });

  it.each([
    ["no entry", (text: string) => text.replace(`## [${version}]`, "## [0.0.1]")],
    ["an entry without a date", (text: string) => text.replace(/(\[\d.*\]) - .*/, "$1")],
    [
      "an empty entry",
      () => `# Changelog\n\n## [${version}] - 2026-01-01\n\n## [0.0.1] - 2025-01-01\n\n- x\n`,
    ],
  ])("refuses a version of which the changelog has %s", async (_, change) => {
    const before = await readFile(join(repository, "CHANGELOG.md"), "utf8");
    const after = change(before);
    expect(after).not.toBe(before);
    await changelog(after);
    expect(await refusal()).toContain(`CHANGELOG.md says nothing of ${version}`);
    await changelog(before);
  });

  it("refuses a changelog with entries that are in no version", async () => {
    const before = await readFile(join(repository, "CHANGELOG.md"), "utf8");
    await changelog(
      `# Changelog\n\n## [Unreleased]\n\n- New.\n\n## [${version}] - 2026-01-01\n\n- Old.\n`,
    );
    expect(await refusal()).toContain('entries under "Unreleased"; move them');
    await changelog(before);
  });
});
