import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { copyProject, scratch } from "./project.ts";
import { must } from "./run.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Path of the package, packed from a copy of the project. */
    tarball: string;
    /** The directory that the package was unpacked into. */
    unpacked: string;
  }
}

/**
 * Packs the package once, before its tests: from a copy, so that nothing that happens to lie in `dist` gets into it,
 * and nobody who uses `dist` meanwhile loses it.
 */
export default async function pack(project: TestProject): Promise<() => Promise<void>> {
  const directory = await scratch();
  const copy = join(directory.path, "project");
  await copyProject(copy);
  const args = ["pack", "--silent", "--pack-destination", directory.path];
  const packed = (await must("npm", args, { cwd: copy })).trim().split("\n").at(-1)!;
  const tarball = join(directory.path, packed);
  const unpacked = join(directory.path, "unpacked");
  await mkdir(unpacked);
  await must("tar", ["-xzf", tarball, "-C", unpacked], { cwd: directory.path });
  project.provide("tarball", tarball);
  project.provide("unpacked", join(unpacked, "package"));
  return async () => {
    await directory[Symbol.asyncDispose]();
  };
}
