import { createHash } from "node:crypto";
import { Mutex } from "async-mutex";
import { type Deferred, deferred } from "../common/async.ts";
import { Backoff } from "../common/backoff.ts";
import type { Logger } from "../common/logger.ts";
import { BridgeError, isBridgeError, messageOf, quote } from "../errors.ts";
import { assembleBundle, type Bundle, bundleFilesOf } from "../policy/bundle.ts";
import type { BundleFiles } from "../policy/bundle-files.ts";
import type { BundleOrigin, BundleStatus } from "./bundle-status.ts";
import { persist, readPersisted } from "./disk.ts";
import { DownloadError } from "./download-error.ts";
import type { BundleSource, Content, Found } from "./source.ts";

export interface FollowerOptions {
  readonly name: string;
  readonly source: BundleSource;
  readonly maxBytes: number;
  /** The file that the last good bundle is kept in. Absent: it isn't. */
  readonly keptIn?: string | undefined;
  /** Checks the signature. Rejects with `BUNDLE_SIGNATURE`. */
  readonly verify: (files: BundleFiles) => Promise<void>;
  /** Lets a bundle take over. When it rejects, the old one goes on. */
  readonly activate: (bundle: Bundle) => Promise<void>;
  /** Told after each activation. */
  readonly onActivated: () => void;
  readonly logger: Logger;
}

/** A bundle that is or was active. */
interface Activated {
  readonly bundle: Bundle;
  readonly digest: string | undefined;
  /** Kept only where a rollback must put them back on disk. */
  readonly bytes: Buffer | undefined;
  readonly size: number | undefined;
}

/** Follows one bundle from its source: what is new and good takes over, and what isn't changes nothing. */
export class BundleFollower {
  readonly name: string;
  readonly #options: FollowerOptions;
  readonly #stop = new AbortController();
  readonly #activations = new Mutex();
  readonly #backoff: Backoff;
  readonly #first: Deferred<void> = deferred();
  #running: Promise<void> | undefined;
  #seen: string | undefined;
  #refused: Found | undefined;
  #active: Activated | undefined;
  #previous: Activated | undefined;
  #status: Omit<BundleStatus, "name">;

  constructor(options: FollowerOptions) {
    this.name = options.name;
    this.#options = options;
    this.#backoff = new Backoff({ maxMs: options.source.maxRetryMs });
    this.#status = { activations: 0, failures: 0 };
    // Often nobody waits for it.
    this.#first.promise.catch(() => undefined);
  }

  get isLocal(): boolean {
    return this.#options.source.isLocal;
  }

  /** Whether a bundle of this name has been activated. */
  get isActive(): boolean {
    return this.#active !== undefined;
  }

  /** Resolves with the first activation; rejects with why the first attempt has failed, and the attempts go on. */
  start(): Promise<void> {
    this.#running ??= this.#run();
    return this.#first.promise;
  }

  status(): BundleStatus {
    return {
      name: this.name,
      ...this.#status,
      ...(this.#previous && { previous_revision: this.#previous.bundle.revision }),
    };
  }

  /** Tries a bundle again that was refused: what it was in the way of may be gone. */
  retry(): void {
    const refused = this.#refused;
    if (refused !== undefined) void this.#take(refused, "source");
  }

  /**
   * Goes back to the bundle before; what the source has now is left until it has something else. Rejects with
   * `BUNDLE_NO_PREVIOUS`, or as an activation does; then everything goes on as before.
   */
  async rollback(): Promise<void> {
    await this.#activations.runExclusive(async () => {
      const previous = this.#previous;
      if (previous === undefined) throw nothingBefore(this.name);
      await this.#options.activate(previous.bundle);
      this.#refused = undefined;
      this.#previous = undefined;
      await this.#took(previous, "rollback");
    });
  }

  /** Safe in any state, any number of times; nothing is activated afterwards. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#options.source.stop();
    await this.#running;
    await this.#activations.waitForUnlock();
  }

  async #run(): Promise<void> {
    const { source } = this.#options;
    const { signal } = this.#stop;
    await this.#beginWithKept();
    while (!signal.aborted) {
      if (await this.#look()) await source.pause(signal);
      else await source.pause(signal, this.#backoff.next());
    }
  }

  /** One look at the source; false when nothing can be had from it. */
  async #look(): Promise<boolean> {
    const { source } = this.#options;
    const { signal } = this.#stop;
    this.#note({ last_request: now() });
    let found: Found | undefined;
    try {
      found = await source.look(this.#seen, signal);
    } catch (error) {
      if (!signal.aborted) this.#failed(error);
      this.#first.reject(error);
      return false;
    }
    if (signal.aborted) return true;
    this.#backoff.reset();
    this.#note({ last_successful_request: now() });
    if (found === undefined) {
      if (this.#refused === undefined) this.#recovered();
      return true;
    }
    this.#note({ last_successful_download: now() });
    this.#seen = found.version;
    await this.#take(found, "source");
    return true;
  }

  async #beginWithKept(): Promise<void> {
    const { keptIn: file, maxBytes } = this.#options;
    if (file === undefined) return;
    try {
      const bytes = await readPersisted(file);
      if (bytes === undefined) return;
      const load = async (): Promise<Content> => ({
        files: await bundleFilesOf(bytes, file, { maxBytes }),
        bytes,
      });
      await this.#take({ version: "", load }, "disk");
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Checks and activates; what goes wrong is noted. */
  #take(found: Found, origin: "source" | "disk"): Promise<void> {
    return this.#activations.runExclusive(async () => {
      if (this.#stop.signal.aborted) return;
      try {
        const { files, bytes } = await found.load();
        const digest = bytes && createHash("sha256").update(bytes).digest("hex");
        if (digest === undefined || digest !== this.#active?.digest) {
          await this.#activate({ files, ...(bytes && { bytes }) }, digest, origin);
        } else this.#recovered({ active_from: origin });
        this.#refused = undefined;
      } catch (error) {
        this.#failed(error);
        if (origin === "disk") return;
        this.#refused = found;
        this.#first.reject(error);
      }
    });
  }

  async #activate(
    { files, bytes }: Content,
    digest: string | undefined,
    origin: BundleOrigin,
  ): Promise<void> {
    const { name, verify, activate, keptIn } = this.#options;
    await verify(files);
    const bundle = await assembleBundle(files, name);
    await activate(bundle);
    this.#previous = this.#active;
    const kept = keptIn === undefined ? undefined : bytes;
    await this.#took({ bundle, digest, bytes: kept, size: bytes?.length }, origin);
  }

  async #took(activated: Activated, origin: BundleOrigin): Promise<void> {
    const { logger, onActivated, keptIn } = this.#options;
    const { bundle, bytes, size } = activated;
    this.#active = activated;
    this.#recovered({
      active_revision: bundle.revision,
      active_from: origin,
      last_successful_activation: now(),
      activations: this.#status.activations + 1,
      ...(size !== undefined && { size }),
    });
    const details = { bundle: this.name, revision: bundle.revision, from: origin };
    // What a start comes to is said by whoever starts.
    const level = this.#status.activations === 1 && this.isLocal ? "debug" : "info";
    logger[level](details, "a bundle was activated");
    this.#first.resolve();
    onActivated();
    if (origin !== "disk" && keptIn !== undefined && bytes !== undefined) {
      await this.#keep(keptIn, bytes);
    }
  }

  async #keep(file: string, bytes: Buffer): Promise<void> {
    const { persist_error: _, ...status } = this.#status;
    try {
      await persist(file, bytes);
      this.#status = status;
    } catch (error) {
      const message = `The bundle can't be kept in ${quote(file)} (${messageOf(error)}); check persistence_directory.`;
      this.#note({ persist_error: message });
      this.#options.logger.warn({ bundle: this.name }, message);
    }
  }

  #note(more: Partial<BundleStatus>): void {
    this.#status = { ...this.#status, ...more };
  }

  /** Nothing is wrong any more. */
  #recovered(more: Partial<BundleStatus> = {}): void {
    const { code: _c, message: _m, errors: _e, http_code: _h, ...status } = this.#status;
    this.#status = { ...status, ...more };
  }

  #failed(error: unknown): void {
    const message = messageOf(error);
    const code = isBridgeError(error) ? error.code : "BUNDLE_INVALID";
    // The same again and again is said once, and what keeps a start from being made by whoever starts.
    const isSaid = this.#status.message === message || (this.isLocal && !this.isActive);
    const level = isSaid ? "debug" : "warn";
    const { logger } = this.#options;
    logger[level]({ bundle: this.name, code }, `a bundle was not activated: ${message}`);
    const status = error instanceof DownloadError ? error.httpStatus : undefined;
    this.#recovered({
      code: "bundle_error",
      message,
      errors: [{ code, message }],
      failures: this.#status.failures + 1,
      ...(status !== undefined && { http_code: String(status) }),
    });
  }
}

function now(): string {
  return new Date().toISOString();
}

function nothingBefore(name: string): BridgeError {
  return new BridgeError(
    "BUNDLE_NO_PREVIOUS",
    `Bundle ${quote(name)} has nothing to go back to; only the last activation can be undone, and once.`,
  );
}
