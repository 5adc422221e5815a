import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

// `npm run release` makes what a release consists of, in .release/: the package, its SBOM, and the sums of both.
// It publishes nothing: what it made can be looked at first. It refuses a tree with changes, whose package nobody
// could make again, and a version that the changelog does not know.

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const OUTPUT = ".release";

/** What a program prints; it runs at the project's root, or where it is said. */
async function output(program, args, cwd = ROOT) {
  const { stdout } = await promisify(execFile)(program, args, { cwd, maxBuffer: 2 ** 26 });
  return stdout;
}

async function readJson(file) {
  return JSON.parse(await readFile(join(ROOT, file), "utf8"));
}

/** A section of the changelog, without its heading; undefined where there is none. */
function section(changelog, heading) {
  const start = changelog.match(heading);
  if (start === null) return undefined;
  const rest = changelog.slice(start.index + start[0].length);
  const end = rest.search(/^(## |\[[^\]]+\]: )/m);
  return (end < 0 ? rest : rest.slice(0, end)).trim();
}

/** Why the version can't be released, each with the remedy. */
async function problems(version) {
  const found = [];
  const changes = (await output("git", ["status", "--porcelain"])).trimEnd();
  if (changes !== "") {
    found.push(`the tree has changes; commit them or take them away:\n${changes}`);
  }
  const changelog = await readFile(join(ROOT, "CHANGELOG.md"), "utf8");
  const escaped = version.replaceAll(".", "\\.");
  const entry = section(changelog, new RegExp(`^## \\[${escaped}\\] - \\d{4}-\\d\\d-\\d\\d$`, "m"));
  if (entry === undefined || entry === "") {
    found.push(
      `CHANGELOG.md says nothing of ${version}; give it a section "## [${version}] - YYYY-MM-DD" that tells what is new`,
    );
  }
  if ((section(changelog, /^## \[Unreleased\]$/m) ?? "") !== "") {
    found.push(
      `CHANGELOG.md has entries under "Unreleased"; move them under the version that has them`,
    );
  }
  return found;
}

/** The components that the lockfile names for production, as CycloneDX, and which package they are of. */
async function bill(name, tarball) {
  const { devDependencies: _, ...manifest } = await readJson("package.json");
  const { packages, ...lock } = await readJson("package-lock.json");
  const { devDependencies: __, ...top } = packages[""];
  // "npm sbom --omit dev" leaves out what production and development share, too. So it is shown a project that
  // has nothing for development.
  const shown = Object.entries(packages).filter(([, { dev }]) => dev !== true);
  const directory = await mkdtemp(join(tmpdir(), "sbom-"));
  let sbom;
  try {
    const files = {
      "package.json": manifest,
      "package-lock.json": { ...lock, packages: { ...Object.fromEntries(shown), "": top } },
    };
    for (const [file, content] of Object.entries(files)) {
      await writeFile(join(directory, file), JSON.stringify(content));
    }
    const args = ["sbom", "--sbom-format", "cyclonedx", "--package-lock-only"];
    sbom = JSON.parse(await output("npm", args, directory));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  const { component } = sbom.metadata;
  // npm takes the name of the folder.
  component.name = name;
  component.hashes = [{ alg: "SHA-256", content: sha256(tarball) }];
  return `${JSON.stringify(sbom, null, 2)}\n`;
}

function sha256(content) {
  return createHash("sha256").update(content).digest("hex");
}

async function main() {
  const { name, version, repository } = await readJson("package.json");
  const found = await problems(version);
  if (found.length > 0) {
    for (const problem of found) console.error(`${name} ${version} can't be released: ${problem}.`);
    return 1;
  }
  const directory = join(ROOT, OUTPUT);
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory);
  // Builds anew, too: see "prepack" and "prepare".
  const packed = await output("npm", ["pack", "--silent", "--pack-destination", directory]);
  const tarball = packed.trim().split("\n").at(-1);
  const content = await readFile(join(directory, tarball));
  const sbomFile = `${name}-${version}.cdx.json`;
  const sbom = await bill(name, content);
  await writeFile(join(directory, sbomFile), sbom);
  const sums = [`${sha256(content)}  ${tarball}`, `${sha256(sbom)}  ${sbomFile}`];
  await writeFile(join(directory, "SHA256SUMS"), `${sums.join("\n")}\n`);
  console.log(`Made in ${OUTPUT}/, of ${(await output("git", ["rev-parse", "HEAD"])).trim()}:`);
  for (const line of sums) console.log(`  ${line}`);
  console.log(`
Nothing has been published. To do so:
  1. See that all checks pass for this commit (.ci/run), and look at the package: tar -tzf ${OUTPUT}/${tarball}
  2. Tag the commit: git tag -s v${version} && git push origin v${version}
  3. From the tag, where npm can prove where the package was built (GitHub Actions, GitLab CI):
     npm publish ${OUTPUT}/${tarball} --provenance --access public
  4. Give ${sbomFile} and SHA256SUMS to the release on the repository's page.`);
  if (repository === undefined) {
    console.log(`
package.json has no "repository"; without the repository's address, npm refuses --provenance.`);
  }
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`${error.message}${error.stderr ? `\n${error.stderr}` : ""}`);
  process.exitCode = 1;
}
