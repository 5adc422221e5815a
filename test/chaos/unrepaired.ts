import {
  BridgeError,
  type BucketEntry,
  type BucketInfo,
  type BucketRun,
  type BucketSink,
  type BucketSource,
} from "nats-opa-bridge";

const AGAIN_MS = 100;

/**
 * The harness's negative control: buckets as an ordinary client's watch follows them. After a gap it goes on from
 * the revision that it has, and it never asks what became of the rest; a bridge on top of it can repair nothing.
 */
export function withoutRepair(source: BucketSource): BucketSource {
  return {
    open: (bucket, sink, options) =>
      new ResumedRun((inner) => source.open(bucket, inner, options), sink),
    describe: () =>
      Promise.reject(new BridgeError("NATS_TIMEOUT", "Nothing is known of the bucket.")),
    onReconnect: () => () => undefined,
  };
}

class ResumedRun implements BucketRun, BucketSink {
  readonly #open: (sink: BucketSink) => BucketRun;
  readonly #sink: BucketSink;
  #run: BucketRun;
  #again: NodeJS.Timeout | undefined;
  #loaded = false;
  #revision = 0;

  constructor(open: (sink: BucketSink) => BucketRun, sink: BucketSink) {
    this.#open = open;
    this.#sink = sink;
    this.#run = open(this);
  }

  stop(): void {
    clearTimeout(this.#again);
    this.#run.stop();
  }

  prove(): void {
    this.#run.prove();
  }

  opened(info: BucketInfo): void {
    if (!this.#loaded) this.#sink.opened(info);
  }

  entry(entry: BucketEntry): void {
    if (this.#loaded && entry.revision <= this.#revision) return;
    this.#revision = Math.max(this.#revision, entry.revision);
    this.#sink.entry(entry);
  }

  loaded(revision: number): void {
    if (this.#loaded) return;
    this.#loaded = true;
    this.#revision = Math.max(this.#revision, revision);
    this.#sink.loaded(revision);
  }

  whole(revision: number): void {
    this.#sink.whole(revision);
  }

  current(revision: number): void {
    if (this.#loaded) this.#sink.current(revision);
  }

  ended(...reason: Parameters<BucketSink["ended"]>): void {
    if (!this.#loaded) this.#sink.ended(...reason);
    else this.#again = setTimeout(() => (this.#run = this.#open(this)), AGAIN_MS);
  }
}
