import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";

/** The file of a bundle that is kept, as OPA names it. A bundle's name may be anything. */
export function persistedFile(directory: string, name: string): string {
  const folder = encodeURIComponent(name).replaceAll(".", "%2E");
  return join(directory, "bundles", folder, "bundle.tar.gz");
}

/** What is kept there; undefined where nothing is. Rejects with the system's error. */
export async function readPersisted(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Puts a bundle in the place of the one that is kept: written aside, on the disk before it is renamed, so that
 * whatever happens meanwhile leaves one of the two whole. Rejects with the system's error.
 */
export async function persist(file: string, bytes: Buffer): Promise<void> {
  const folder = dirname(file);
  const aside = `${file}.${process.pid}.new`;
  // Policies may tell who may do what; they are nobody else's business.
  await mkdir(folder, { recursive: true, mode: 0o700 });
  try {
    await writeThrough(aside, bytes);
    await rename(aside, file);
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
  await syncFolder(folder);
}

async function writeThrough(file: string, bytes: Buffer): Promise<void> {
  const handle = await open(file, "w", 0o600);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The new name must be on the disk too. Not every system lets a folder be opened. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined);
  try {
    await handle?.sync();
  } catch {
    // Such a system writes it in its own time.
  } finally {
    await handle?.close();
  }
}
