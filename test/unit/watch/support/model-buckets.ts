import { BridgeError, type ErrorCode } from "../../../../src/errors.ts";
import type {
  BucketInfo,
  BucketRun,
  BucketSink,
  BucketSource,
} from "../../../../src/nats/bucket-source.ts";
import { LeftOut } from "../../../../src/nats/left-out.ts";
import { SnapshotEnd } from "../../../../src/nats/snapshot-end.ts";
import { infoOf } from "./fake-source.ts";

interface Message {
  readonly key: string;
  /** Undefined: a delete marker. */
  readonly text: string | undefined;
  readonly revision: number;
}

/** A bucket as the server has it, with everything that it ever was. */
class ModelBucket {
  readonly incarnation: string;
  /** The last message of each key. */
  readonly last: Map<string, Message> = new Map();
  /** Every message in order; one that was overwritten is gone for those who have not had it. */
  readonly log: Message[] = [];
  /** Set once a key has gone without a marker: from then on the log does not tell the whole story. */
  lossy = false;

  constructor(incarnation: string) {
    this.incarnation = incarnation;
  }

  info(): BucketInfo {
    const { incarnation, last, revision } = this;
    return infoOf({ incarnation, keys: last.size, messages: last.size, revision });
  }

  get revision(): number {
    return this.log.at(-1)?.revision ?? 0;
  }

  write(key: string, text: string | undefined): void {
    const message = { key, text, revision: this.revision + 1 };
    this.log.push(message);
    this.last.set(key, message);
  }

  /** Every state that the key had from the one at this revision on until another; undefined: it was not there. */
  states(key: string, from: number, until: number): Set<string | undefined> {
    const states = new Set([this.map(from).get(key)]);
    for (const message of this.log) {
      if (message.key !== key || message.revision <= from || message.revision > until) continue;
      states.add(message.text === undefined ? undefined : `${message.text}@${message.revision}`);
    }
    return states;
  }

  /** Key → text@revision, as it was at a revision, or is now. */
  map(revision: number = Infinity): Map<string, string> {
    const map = new Map<string, string>();
    const messages =
      revision === Infinity ? this.last.values() : this.log.filter((m) => m.revision <= revision);
    for (const { key, text, revision: at } of messages) {
      if (text === undefined) map.delete(key);
      else map.set(key, `${text}@${at}`);
    }
    return map;
  }
}

/** Plays what happens later, at a moment that the test picks. */
type Later = (call: () => void) => void;

/**
 * One stream: first each key's last message, then what follows. What is overwritten before it is delivered never
 * comes, which only shows in the revisions, and the stream's last one is asked for, as the real source does.
 */
class ModelRun implements BucketRun {
  readonly bucket: ModelBucket;
  readonly #sink: BucketSink;
  readonly #snapshot: Message[];
  readonly #leftOut: LeftOut;
  #position: number;
  /** Until the snapshot has ended. */
  #end: SnapshotEnd | undefined;
  #delivered = 0;
  #now = 0;
  #opened = false;
  over = false;
  /** Whether a message was overwritten, or has vanished, before it was delivered. */
  skipped = false;
  /** Something happened to its bucket that it does not tell of. */
  lying = false;

  constructor(bucket: ModelBucket, sink: BucketSink, later: Later) {
    this.bucket = bucket;
    this.#sink = sink;
    this.#snapshot = [...bucket.last.values()].toSorted((a, b) => a.revision - b.revision);
    this.#position = bucket.log.length;
    this.#leftOut = new LeftOut(
      () => new Promise((resolve) => later(() => resolve(bucket.revision))),
      (revision) => sink.whole(revision),
      () => (this.#now += 1_000),
    );
    this.#end = new SnapshotEnd(
      () => this.#leftOut.ask(),
      (revision) => this.#finish(revision),
      (error) => {
        throw new Error("the snapshot has no end", { cause: error });
      },
    );
  }

  stop(): void {
    this.over = true;
    this.#leftOut.stop();
  }

  prove(): void {
    this.#leftOut.prove();
  }

  end(code: ErrorCode): void {
    if (this.over) return;
    this.stop();
    this.#sink.ended(new BridgeError(code, code));
  }

  /** Whether there is something to deliver. */
  get behind(): boolean {
    return !this.over && (!this.#opened || this.#left > 0);
  }

  get #left(): number {
    return this.#snapshot.length + this.bucket.log.length - this.#position;
  }

  /** Delivers up to so many messages, in one piece as a socket does. */
  deliver(count: number): void {
    for (let left = count; left > 0 && this.behind; left--) this.#deliverOne();
    if (this.over || !this.#opened || this.behind) return;
    this.#leftOut.idles(this.#position);
    this.#reached(Math.max(this.#position, this.#delivered), 0);
  }

  #deliverOne(): void {
    const { bucket } = this;
    if (!this.#opened) {
      this.#open();
      return;
    }
    const message = this.#snapshot.shift() ?? bucket.log[this.#position++]!;
    if (bucket.last.get(message.key) !== message) {
      this.skipped = true;
      return;
    }
    this.#leftOut.comes(message.revision);
    this.#delivered = Math.max(this.#delivered, message.revision);
    this.#hand(message);
    this.#reached(this.#delivered, this.#left);
  }

  #open(): void {
    const { bucket } = this;
    this.#opened = true;
    this.#sink.opened(bucket.info());
    if (this.over) return;
    if (this.#left > 0) this.#end!.begin();
    else {
      this.#leftOut.begins(bucket.revision);
      this.#finish(bucket.revision);
    }
  }

  #reached(position: number, pending: number): void {
    if (this.over) return;
    if (this.#end === undefined) this.#leftOut.handedOver();
    else this.#end.reached(position, pending);
  }

  #finish(revision: number): void {
    if (this.over) return;
    this.#end = undefined;
    this.#leftOut.loaded();
    this.#sink.loaded(revision);
  }

  #hand({ key, text, revision }: Message): void {
    this.#sink.entry({
      key,
      operation: text === undefined ? "delete" : "put",
      data: new TextEncoder().encode(text ?? ""),
      revision,
      createdMs: 0,
      expiresMs: Infinity,
    });
  }
}

/** A server with buckets; whoever drives it decides when its streams deliver. */
export class ModelBuckets implements BucketSource {
  readonly #buckets = new Map<string, ModelBucket>();
  readonly #forbidden = new Set<string>();
  readonly #runs: { readonly name: string; readonly run: ModelRun }[] = [];
  #incarnations = 0;
  /** Streams of one bucket that ran at the same time; there must be none. */
  readonly doubled: string[] = [];
  /** Called whenever a stream may have something to deliver. */
  onBehind: (name: string, deliver: (count: number) => void) => void = () => undefined;

  /** Called whenever one of its streams asks for the last revision. */
  onAsked: (name: string, answer: () => void) => void = () => undefined;

  onReconnect(): () => void {
    return () => undefined;
  }

  open(name: string, sink: BucketSink): BucketRun {
    if (this.running(name).length > 0) this.doubled.push(name);
    const bucket = this.#buckets.get(name);
    const run = new ModelRun(bucket ?? new ModelBucket("none"), sink, (answer) =>
      this.onAsked(name, answer),
    );
    this.#runs.push({ name, run });
    const code = this.#forbidden.has(name) ? "BUCKET_FORBIDDEN" : "BUCKET_NOT_FOUND";
    if (bucket === undefined || this.#forbidden.has(name)) {
      this.onBehind(name, () => run.end(code));
    } else this.#serve(name, run);
    return run;
  }

  describe(name: string): Promise<BucketInfo> {
    const bucket = this.#buckets.get(name);
    const missing = new BridgeError("BUCKET_NOT_FOUND", name);
    return bucket === undefined ? Promise.reject(missing) : Promise.resolve(bucket.info());
  }

  running(name?: string): ModelRun[] {
    return this.#runs
      .filter((other) => !other.run.over && (name === undefined || other.name === name))
      .map(({ run }) => run);
  }

  bucket(name: string): ModelBucket | undefined {
    return this.#buckets.get(name);
  }

  write(name: string, key: string, text: string | undefined): void {
    this.#buckets.get(name)?.write(key, text);
    for (const run of this.running(name)) this.#serve(name, run);
  }

  /** Removes a key without a marker, as an expiry or a purge of the stream does. */
  vanish(name: string, key: string): void {
    const bucket = this.#buckets.get(name);
    if (bucket?.last.delete(key) !== true) return;
    bucket.lossy = true;
    for (const run of this.running(name)) run.lying = true;
  }

  /** Makes the bucket, or makes it anew: its streams hear nothing more until they end. */
  make(name: string): void {
    this.#buckets.set(name, new ModelBucket(String(++this.#incarnations)));
    this.#forbidden.delete(name);
  }

  remove(name: string): void {
    this.#buckets.delete(name);
  }

  forbid(name: string): void {
    this.#forbidden.add(name);
  }

  allow(name: string): void {
    this.#forbidden.delete(name);
  }

  allowAll(): void {
    this.#forbidden.clear();
  }

  gap(name: string): void {
    for (const run of this.running(name)) run.end("BUCKET_STREAM_ENDED");
  }

  /** Ends every stream that no longer tells the truth, as the real source does when it finds out. */
  endLyingStreams(): boolean {
    const lying = this.#runs.filter(
      ({ name, run }) => !run.over && (run.lying || run.bucket !== this.#buckets.get(name)),
    );
    for (const { run } of lying) run.end("BUCKET_STREAM_ENDED");
    return lying.length > 0;
  }

  #serve(name: string, run: ModelRun): void {
    this.onBehind(name, (count) => {
      run.deliver(count);
      if (run.behind) this.#serve(name, run);
    });
  }
}
