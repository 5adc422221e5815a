import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { type Logger, silentLogger } from "../common/logger.ts";
import type { WritesConfig } from "../config/types.ts";
import { BridgeError, isBridgeError, quote } from "../errors.ts";
import { type BucketWriter, noConnection } from "../nats/bucket-writer.ts";
import type { PolicyStore } from "../store/policy-store.ts";
import { decodeValue } from "../store/value.ts";
import type { BucketWatcherManager } from "../watch/manager.ts";
import { awaitRevisions } from "../watch/await-revisions.ts";
import { type Base, type Change, knownMarker } from "./change.ts";
import { patchJson } from "./json-patch.ts";
import { checkAlone, type KeyPath, keyPath } from "./key-path.ts";
import { WriteBuffer, type WriteBufferFigures } from "./write-buffer.ts";
import { isPassing } from "./write-lane.ts";

/**
 * What came of a write: NATS has stored it, at this revision; it waits for NATS, in memory; or the key was only to be
 * created, and exists.
 */
export type Written =
  | { readonly kind: "stored"; readonly revision: number }
  | { readonly kind: "waiting" }
  | { readonly kind: "exists" };

export interface WriteThroughOptions {
  readonly config: WritesConfig;
  readonly writer: BucketWriter;
  readonly manager: BucketWatcherManager;
  readonly store: PolicyStore;
  readonly logger?: Logger;
}

/** What of the buckets can be written: see {@link WriteThrough}. */
export interface WriteFigures extends Partial<WriteBufferFigures> {
  /** Stored at once. */
  readonly stored: number;
}

/** How long an answer waits until the bridge itself has heard what it has written. */
const HEARD_WITHIN_MS = 1_000;
const LOOK_AGAIN_MS = 5;

/**
 * Writes keys of watched buckets, by compare-and-set on the revision that the store has. The store is never touched:
 * what is written becomes visible when the bucket's watcher hears it from NATS, as everybody else's writes do.
 *
 * All methods reject with `WRITE_PATH`, `WRITE_NOT_ALLOWED`, `WRITE_TOO_LARGE`, `REVISION_CONFLICT`,
 * `NATS_UNREACHABLE`, or what keeps the bucket from being watched.
 */
export class WriteThrough {
  readonly #options: WriteThroughOptions;
  readonly #buffer: WriteBuffer | undefined;
  #stored = 0;

  /** @hidden */
  constructor(options: WriteThroughOptions) {
    this.#options = options;
    const { config, writer, logger = silentLogger } = options;
    if (config.buffer === undefined) return;
    this.#buffer = new WriteBuffer({ ...config.buffer, writer, logger });
  }

  /** Sets the key at a path of `data` to a JSON text. With `createOnly`, only where there is none. */
  put(path: readonly string[], text: string, createOnly = false): Promise<Written> {
    return this.#change(path, (current) => (createOnly && current !== undefined ? KEEP : text));
  }

  /** Changes the value by a JSON Patch. Rejects with `KEY_NOT_FOUND` or `PATCH_*`, too. */
  patch(path: readonly string[], operations: string): Promise<Written> {
    return this.#change(path, (current, key) => {
      if (current === undefined) throw missing(key);
      return patchJson(current, operations, MAX_PATCHED_LENGTH);
    });
  }

  /** Deletes the key. Rejects with `KEY_NOT_FOUND`, too. */
  delete(path: readonly string[]): Promise<Written> {
    return this.#change(path, (current, key) => {
      if (current === undefined) throw missing(key);
      return undefined;
    });
  }

  /** What was written since the start, and what waits. */
  figures(): WriteFigures {
    return { stored: this.#stored, ...this.#buffer?.figures() };
  }

  /** Gives what waits for NATS a few seconds; what waits after them is lost. Idempotent. */
  async close(): Promise<void> {
    await this.#buffer?.close();
  }

  async #change(
    path: readonly string[],
    next: (current: string | undefined, key: KeyPath) => string | typeof KEEP | undefined,
  ): Promise<Written> {
    const { config, store, manager } = this.#options;
    const target = keyPath(path, store.rootBucket, config);
    const unpin = manager.pin(target.bucket);
    try {
      const incarnation = await this.#currentIncarnation(target.bucket);
      // From here to the next await nothing changes: the change is one of exactly this entry.
      const document = store.bucket(target.bucket);
      if (document === undefined) throw notCurrent(target.bucket);
      const reason = document.refusal(target.key);
      if (reason !== undefined) {
        throw new BridgeError(
          "WRITE_PATH",
          `Key ${quote(target.key)} can't be written: ${reason}.`,
        );
      }
      checkAlone(document, target);
      const entry = document.entry(target.key);
      const pending = this.#buffer?.pending(target.bucket, target.key);
      const text = next(pending === undefined ? entry?.text : pending.text, target);
      if (text === KEEP) return { kind: "exists" };
      const change = changeOf(target, text);
      const { revision: followed } = document;
      return await this.#send(change, { expected: entry?.revision ?? 0, followed, incarnation });
    } finally {
      unpin();
    }
  }

  /** The identity of the stream that the store's copy of the bucket is of; loads the bucket where it must be. */
  async #currentIncarnation(bucket: string): Promise<string> {
    const { manager, writer } = this.#options;
    if (writer.connected) await manager.getOrCreateWatcher(bucket);
    else if (this.#buffer === undefined) throw noConnection();
    const deadline = performance.now() + HEARD_WITHIN_MS;
    for (;;) {
      const watcher = manager.watcher(bucket);
      if (watcher === undefined) throw writer.connected ? notCurrent(bucket) : noConnection();
      const { state, incarnation } = watcher.status();
      // While a gap is being closed the copy and the stream may be of different buckets of this name.
      if (state === "live" && incarnation !== undefined) return incarnation;
      if (!writer.connected || performance.now() >= deadline) throw notCurrent(bucket);
      await delay(LOOK_AGAIN_MS);
    }
  }

  async #send(change: Change, base: Base): Promise<Written> {
    const buffer = this.#buffer;
    const { writer } = this.#options;
    // What comes later must not overtake what waits.
    if (buffer !== undefined && (buffer.isWaiting(change.bucket) || !writer.connected)) {
      buffer.push(change, base);
      return { kind: "waiting" };
    }
    try {
      const revision = await this.#write(change, base);
      this.#stored++;
      await this.#heard(change.bucket, revision);
      return { kind: "stored", revision };
    } catch (error) {
      if (buffer === undefined || !isPassing(error)) throw error;
      buffer.push(change, base);
      return { kind: "waiting" };
    }
  }

  async #write({ bucket, key, bytes: value, id }: Change, base: Base): Promise<number> {
    const { writer } = this.#options;
    const { incarnation, expected } = base;
    try {
      return await writer.write({ bucket, key, value, incarnation, expected, id });
    } catch (error) {
      const marker = knownMarker(error, base);
      if (marker === undefined) throw error;
      return writer.write({ bucket, key, value, incarnation, expected: marker, id });
    }
  }

  /** So that who has written can read it here. It is stored, whether that succeeds or not. */
  async #heard(bucket: string, revision: number): Promise<void> {
    const { manager } = this.#options;
    try {
      const release = await awaitRevisions(manager, new Map([[bucket, revision]]), HEARD_WITHIN_MS);
      release();
    } catch (error) {
      if (!isBridgeError(error)) throw error;
    }
  }
}

const KEEP = Symbol("keep");
const MAX_PATCHED_LENGTH = 64 * 2 ** 20;

function changeOf({ bucket, key }: KeyPath, text: string | undefined): Change {
  const bytes = text === undefined ? undefined : Buffer.from(text);
  if (bytes !== undefined) {
    const stored = decodeValue(bytes, key.split(".").length);
    if ("refused" in stored) {
      throw new BridgeError(
        "INPUT_INVALID",
        `The value can't be kept: ${stored.refused}; make it flatter.`,
      );
    }
  }
  return { bucket, key, text, bytes, id: randomUUID() };
}

function missing({ bucket, key }: KeyPath): BridgeError {
  return new BridgeError(
    "KEY_NOT_FOUND",
    `Bucket ${quote(bucket)} has no key ${quote(key)}; PUT creates it.`,
  );
}

function notCurrent(bucket: string): BridgeError {
  return new BridgeError(
    "BUCKET_STREAM_ENDED",
    `Bucket ${quote(bucket)} is being compared with NATS after a gap; try again.`,
  );
}
