import { cp, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url));

/** What a clean clone does not have. */
const NOT_COPIED =
  /^(\.git|node_modules|dist|coverage|\.tools|\.artifacts|\.release|\.bundles-.*)$/;

/** A new directory, removed when it goes out of use. */
export async function scratch(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "package-test-"));
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 5 }),
  };
}

/** Copies the project as a clean clone would have it, with the dependencies that are installed here. */
export async function copyProject(to: string): Promise<void> {
  await cp(ROOT, to, {
    recursive: true,
    filter: (source) => {
      const [top = ""] = relative(ROOT, source).split(sep);
      return !NOT_COPIED.test(top);
    },
  });
  await symlink(join(ROOT, "node_modules"), join(to, "node_modules"), "dir");
}
