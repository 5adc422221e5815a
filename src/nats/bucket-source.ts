import type { BridgeError } from "../errors.ts";

/** One message of a bucket. `data` is only valid during the call that hands it over. */
export interface BucketEntry {
  readonly key: string;
  /** `delete` stands for KV's delete and purge markers, which both end the key's value. */
  readonly operation: "put" | "delete";
  readonly data: Uint8Array;
  /** The stream sequence. Those of one key rise; those of the snapshot need not be in order across keys. */
  readonly revision: number;
  /** When the server stored it, in milliseconds since the epoch. */
  readonly createdMs: number;
}

/** What is known of a bucket before its first entry. */
export interface BucketInfo {
  /** The identity of the bucket's stream; a bucket that was deleted and made again has another. */
  readonly incarnation: string;
  /** Keys, those with a delete marker included. */
  readonly keys: number;
  /** Bytes in the stream, older values and overhead included. */
  readonly bytes: number;
}

/**
 * Hears one bucket as one ordered stream: `opened`, the entries of the snapshot, `loaded`, the live entries
 * (with `current` whenever it is so), `ended`. All calls are synchronous and come in this order; nothing is
 * called after `ended` or `stop()`. While there is no connection nothing is called; once it is back, `ended` is.
 *
 * `opened` and `entry` may throw: a BridgeError is handed to `ended` as it is, anything else wrapped in one.
 */
export interface BucketSink {
  /** May call `stop()`, or throw, to refuse the bucket before anything is asked of the server. */
  opened(info: BucketInfo): void;
  entry(entry: BucketEntry): void;
  /** Every key that the bucket had when the stream was opened has been handed over, at this revision or later. */
  loaded(revision: number): void;
  /** The server has nothing more to deliver: what has been heard is all there is, as of now. */
  current(): void;
  /** There was a gap, or the stream is gone. To go on, open another stream, which begins with a snapshot. */
  ended(reason: BridgeError): void;
}

/** One stream of a bucket, from its snapshot until it ends. */
export interface BucketRun {
  /** Ends the stream in silence. Safe in any state, any number of times. */
  stop(): void;
}

/** Where buckets come from. Never creates one. */
export interface BucketSource {
  open(bucket: string, sink: BucketSink): BucketRun;
}
