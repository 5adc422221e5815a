import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { sleep } from "../common/async.ts";
import { bundleFilesOf, readBundleFile, unreadable } from "../policy/bundle.ts";
import { type BundleFiles, invalid, MAX_BUNDLE_ENTRIES, tooLarge } from "../policy/bundle-files.ts";
import type { BundleSource, Content, Found } from "./source.ts";

export interface FileSourceOptions {
  /** Of an archive, a module, or a folder. */
  readonly path: string;
  readonly maxBytes: number;
  /** How often it is looked at, in milliseconds. Default 500. */
  readonly intervalMs?: number;
}

/** What is written takes longer than this between two writes only where something is wrong. */
const SETTLED_MS = 200;
const MAX_FOLDERS_DEEP = 32;

/**
 * A file or folder of this machine. It is looked at again and again rather than listened to, which works on every
 * file system, and with whatever way of replacing it (a rename, a link that is turned).
 */
export class FileSource implements BundleSource {
  readonly isLocal = true;
  readonly maxRetryMs = 1_000;
  readonly #options: FileSourceOptions;

  constructor(options: FileSourceOptions) {
    this.#options = options;
  }

  async look(version: string | undefined, signal: AbortSignal): Promise<Found | undefined> {
    let state = await this.#state();
    if (state.signature === version) return undefined;
    // What has just been written may not be all.
    while (Date.now() - state.changedMs < SETTLED_MS && !signal.aborted) {
      await sleep(SETTLED_MS / 2, signal);
      const next = await this.#state();
      const isSame = next.signature === state.signature;
      state = next;
      // A clock that is ahead must not keep it from being read.
      if (isSame) break;
    }
    if (state.signature === version) return undefined;
    const { files } = state;
    return {
      version: state.signature,
      load: () => (files === undefined ? this.#readFile() : this.#readFolder(files)),
    };
  }

  pause(signal: AbortSignal, afterFailureMs: number = Infinity): Promise<void> {
    return sleep(Math.min(this.#options.intervalMs ?? 500, afterFailureMs), signal);
  }

  stop(): void {
    // Nothing goes on between two looks.
  }

  async #readFile(): Promise<Content> {
    const { path, maxBytes } = this.#options;
    const bytes = await readBundleFile(path, { maxBytes });
    return { files: await bundleFilesOf(bytes, path, { maxBytes }), bytes };
  }

  async #readFolder(names: readonly string[]): Promise<Content> {
    const { path, maxBytes } = this.#options;
    const files = new Map<string, Buffer>();
    let total = 0;
    for (const name of names) {
      const content = await this.#orUnreadable(readFile(join(path, name)));
      total += content.length;
      if (total > maxBytes) throw tooLarge(path, maxBytes);
      files.set(name, content);
    }
    return { files: files satisfies BundleFiles };
  }

  /** What tells whether something has changed; of a folder, its files too. */
  async #state(): Promise<{ signature: string; changedMs: number; files?: readonly string[] }> {
    const { path, maxBytes } = this.#options;
    const top = await this.#orUnreadable(stat(path));
    if (!top.isDirectory()) {
      if (top.size > maxBytes) throw tooLarge(path, maxBytes);
      return { signature: signatureOf(top), changedMs: top.mtimeMs };
    }
    const files: string[] = [];
    const signatures: string[] = [];
    let changedMs = top.mtimeMs;
    const walk = async (folder: string, depth: number): Promise<void> => {
      const names = await this.#orUnreadable(readdir(join(path, folder)));
      for (const name of names.toSorted()) {
        if (isHidden(name)) continue;
        const relative = folder === "" ? name : `${folder}/${name}`;
        const found = await this.#orUnreadable(stat(join(path, relative)));
        changedMs = Math.max(changedMs, found.mtimeMs);
        if (found.isDirectory() && depth < MAX_FOLDERS_DEEP) await walk(relative, depth + 1);
        if (!found.isFile()) continue;
        if (files.length >= MAX_BUNDLE_ENTRIES) {
          throw invalid(path, `it has more than ${MAX_BUNDLE_ENTRIES} files`, "make it smaller");
        }
        files.push(relative);
        signatures.push(`${relative} ${signatureOf(found)}`);
      }
    };
    await walk("", 1);
    return { signature: signatures.join("\n"), changedMs, files };
  }

  async #orUnreadable<T>(promise: Promise<T>): Promise<T> {
    try {
      return await promise;
    } catch (error) {
      throw unreadable(this.#options.path, error);
    }
  }
}

/** What editors and mounted volumes keep beside the files; a bundle's own hidden files have these two names. */
function isHidden(name: string): boolean {
  return name.startsWith(".") && name !== ".manifest" && name !== ".signatures.json";
}

function signatureOf(file: { ino: number; size: number; mtimeMs: number }): string {
  return `${file.ino} ${file.size} ${file.mtimeMs}`;
}
