import { deferred, sleep } from "../common/async.ts";
import { quote } from "../errors.ts";
import type { ObjectReader, StoredObject } from "../nats/object-store.ts";
import { bundleFilesOf } from "../policy/bundle.ts";
import { tooLarge } from "../policy/bundle-files.ts";
import { DownloadError } from "./download-error.ts";
import type { BundleSource, Found } from "./source.ts";

export interface ObjectSourceOptions {
  readonly reader: ObjectReader;
  readonly store: string;
  readonly object: string;
  readonly maxBytes: number;
}

/** How often it is looked whether a change was missed, in milliseconds. */
const LOOK_MS = 30_000;

/** An object of a NATS object store, which tells of every change. */
export class ObjectSource implements BundleSource {
  readonly isLocal = false;
  readonly maxRetryMs = 5_000;
  readonly #options: ObjectSourceOptions;
  #unwatch: (() => void) | undefined;
  #changed = deferred();

  constructor(options: ObjectSourceOptions) {
    this.#options = options;
  }

  async look(version: string | undefined, signal: AbortSignal): Promise<Found | undefined> {
    const { reader, store, object } = this.#options;
    this.#unwatch ??= reader.watch(store, object, () => this.#changed.resolve());
    // What changes from here on is looked at the next time.
    this.#changed = deferred();
    const found = await untilAborted(reader.find(store, object), signal);
    if (found === undefined) {
      throw new DownloadError(
        `There is no object ${quote(object)} in the NATS object store ${quote(store)}; put the bundle there, or correct bundles in the configuration.`,
      );
    }
    const current = `${found.id} ${found.digest}`;
    return current === version ? undefined : { version: current, load: () => this.#load(found) };
  }

  async pause(signal: AbortSignal, afterFailureMs: number = LOOK_MS): Promise<void> {
    const stop = new AbortController();
    await Promise.race([
      this.#changed.promise,
      sleep(afterFailureMs, AbortSignal.any([signal, stop.signal])),
    ]);
    stop.abort();
  }

  stop(): void {
    this.#unwatch?.();
  }

  async #load(found: StoredObject): ReturnType<Found["load"]> {
    const { reader, store, object, maxBytes } = this.#options;
    const name = `nats://${store}/${object}`;
    if (found.bytes > maxBytes) throw tooLarge(name, maxBytes);
    const bytes = await reader.read(store, found);
    return { files: await bundleFilesOf(bytes, name, { maxBytes }), bytes };
  }
}

/** Rejects as soon as the signal aborts. */
async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = deferred<never>();
  const abort = (): void => aborted.reject(new Error("it is not looked for any more"));
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
    promise.catch(() => undefined);
  }
}
