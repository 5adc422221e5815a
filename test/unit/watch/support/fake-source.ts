import { BridgeError, type ErrorCode } from "../../../../src/errors.ts";
import type {
  BucketInfo,
  BucketRun,
  BucketSink,
  BucketSource,
  GapCause,
  OpenOptions,
} from "../../../../src/nats/bucket-source.ts";

/** What the server says of an empty bucket, but for what a test says instead. */
export function infoOf(info: Partial<BucketInfo> = {}): BucketInfo {
  return {
    incarnation: "first",
    keys: 0,
    bytes: 0,
    revision: 0,
    messages: 0,
    history: 1,
    maxAgeMs: Infinity,
    ...info,
  };
}

/** One stream of a bucket, played by the test. */
export class FakeRun implements BucketRun {
  readonly bucket: string;
  readonly #sink: BucketSink;
  readonly headersOnly: boolean;
  stopped = false;
  #revision = 0;

  constructor(bucket: string, sink: BucketSink, { headersOnly = false }: OpenOptions = {}) {
    this.bucket = bucket;
    this.headersOnly = headersOnly;
    this.#sink = sink;
  }

  stop(): void {
    this.stopped = true;
  }

  /** How often it was asked whether all is whole. */
  proofs = 0;

  prove(): void {
    this.proofs++;
  }

  /** Goes on although the stream is over, as no source should. */
  playOn(): this {
    this.stopped = false;
    return this;
  }

  opened(incarnation = "first", info: Partial<BucketInfo> = {}): this {
    if (!this.stopped) this.#sink.opened(infoOf({ incarnation, ...info }));
    return this;
  }

  /** The next revision by default. A value that is no string is its JSON text. */
  put(
    key: string,
    value: unknown,
    revision: number = this.#revision + 1,
    expiresMs: number = Infinity,
  ): this {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return this.#entry(key, "put", new TextEncoder().encode(text), revision, expiresMs);
  }

  putBytes(key: string, data: Uint8Array, revision: number = this.#revision + 1): this {
    return this.#entry(key, "put", data, revision);
  }

  delete(key: string, revision: number = this.#revision + 1): this {
    return this.#entry(key, "delete", new Uint8Array(), revision);
  }

  loaded(revision: number = this.#revision, ageMs?: number): this {
    if (!this.stopped) this.#sink.loaded(revision, ageMs);
    return this;
  }

  current(revision: number = this.#revision): this {
    if (!this.stopped) this.#sink.current(revision);
    return this;
  }

  /** From here on what is heard is whole up to this revision only; Infinity: all of it is. */
  whole(revision: number = Infinity): this {
    if (!this.stopped) this.#sink.whole(revision);
    return this;
  }

  /** The whole first part of a stream: opened, the entries, loaded. */
  load(entries: Readonly<Record<string, unknown>> = {}): this {
    this.opened();
    for (const [key, value] of Object.entries(entries)) this.put(key, value);
    return this.loaded();
  }

  end(code: ErrorCode = "BUCKET_STREAM_ENDED", cause?: GapCause): void {
    if (this.stopped) return;
    this.stopped = true;
    this.#sink.ended(new BridgeError(code, `${code} of ${this.bucket}`), cause);
  }

  #entry(
    key: string,
    operation: "put" | "delete",
    data: Uint8Array,
    revision: number,
    expiresMs: number = Infinity,
  ): this {
    this.#revision = revision;
    if (!this.stopped) {
      this.#sink.entry({ key, operation, data, revision, createdMs: 0, expiresMs });
    }
    return this;
  }
}

/** Where streams come from that the test plays: by hand, or as `onOpen` does. */
export class FakeSource implements BucketSource {
  readonly runs: FakeRun[] = [];
  readonly #onOpen: (run: FakeRun) => void;
  /** What the server says of a bucket; a test puts its own in place. */
  describe: (bucket: string) => Promise<BucketInfo> = () => Promise.resolve(infoOf());

  readonly #reconnected = new Set<() => void>();

  constructor(onOpen: (run: FakeRun) => void = () => undefined) {
    this.#onOpen = onOpen;
  }

  open(bucket: string, sink: BucketSink, options?: OpenOptions): BucketRun {
    const run = new FakeRun(bucket, sink, options);
    this.runs.push(run);
    this.#onOpen(run);
    return run;
  }

  onReconnect(listener: () => void): () => void {
    this.#reconnected.add(listener);
    return () => void this.#reconnected.delete(listener);
  }

  /** How many want to hear of a connection that is back. */
  get listeners(): number {
    return this.#reconnected.size;
  }

  /** The connection is back. */
  reconnect(): void {
    for (const listener of this.#reconnected) listener();
  }

  /** The bucket's streams that have not ended. */
  running(bucket?: string): FakeRun[] {
    return this.runs.filter(
      (run) => !run.stopped && (bucket === undefined || run.bucket === bucket),
    );
  }

  /** The bucket's newest stream. */
  last(bucket?: string): FakeRun {
    const run = this.runs.findLast((run) => bucket === undefined || run.bucket === bucket);
    if (run === undefined) throw new Error(`no stream was opened for ${bucket ?? "any bucket"}`);
    return run;
  }
}

/** Every bucket exists, with one key that names it. */
export const loadsAtOnce = (run: FakeRun): void => {
  queueMicrotask(() => run.load({ name: run.bucket }));
};
