import type { BridgeError } from "../errors.ts";

/** One message of a bucket. `data` is only valid during the call that hands it over. */
export interface BucketEntry {
  /** The key, without what its stream puts before it. */
  readonly key: string;
  /** `delete` stands for KV's delete and purge markers, which both end the key's value. */
  readonly operation: "put" | "delete";
  /** The value's bytes; without meaning for `delete`, and empty where only headers were asked for. */
  readonly data: Uint8Array;
  /** The stream sequence. Those of one key rise; those of the snapshot need not be in order across keys. */
  readonly revision: number;
  /** When the server stored it, in milliseconds since the epoch. */
  readonly createdMs: number;
  /** When the server removes it because of its age, in milliseconds since the epoch; Infinity: never. */
  readonly expiresMs: number;
}

/** A bucket's stream as the server describes it, at one moment. */
export interface BucketInfo {
  /** The identity of the bucket's stream; a bucket that was deleted and made again has another. */
  readonly incarnation: string;
  /** Keys, those with a delete marker included. */
  readonly keys: number;
  /** Bytes in the stream, older values and overhead included. */
  readonly bytes: number;
  /** The stream's last sequence. */
  readonly revision: number;
  /** Messages in the stream, older values and markers included. */
  readonly messages: number;
  /** How many values of a key the bucket keeps; -1: all. */
  readonly history: number;
  /** The age at which every entry expires, in milliseconds; Infinity: never. */
  readonly maxAgeMs: number;
}

/**
 * Why a stream ended, other than by an error:
 * - `reconnect`: the connection was lost and is back.
 * - `incarnation`: the bucket was deleted and made again.
 * - `regressed`: a revision was lower than one before it.
 * - `lost`: messages are missing, or the server ended the stream.
 * - `silence`: the server has said nothing for too long.
 */
export type GapCause = "reconnect" | "incarnation" | "regressed" | "lost" | "silence";

/**
 * Hears one bucket as one ordered stream: `opened`, the entries of the snapshot, `loaded`, the live entries
 * (with `current` whenever it is so), `ended`; `whole` wherever it changes. All calls are synchronous and come in
 * this order; nothing is called after `ended` or `stop()`. While there is no connection nothing is called; once it
 * is back, `ended` is.
 *
 * `opened` and `entry` may throw: a BridgeError is handed to `ended` as it is, anything else wrapped in one.
 */
export interface BucketSink {
  /** May call `stop()`, or throw, to refuse the bucket before anything is asked of the server. */
  opened(info: BucketInfo): void;
  /** A key has a value, or none any more. */
  entry(entry: BucketEntry): void;
  /**
   * Every key that the bucket had when the stream was opened has been handed over, at this revision or later. That
   * this was all there is was true at some time since `ageMs` ago, in milliseconds (default 0): the server's answer
   * may have been long on its way, with newer entries behind it.
   */
  loaded(revision: number, ageMs?: number): void;
  /**
   * Up to which revision what has been handed over is whole from now on: every key is as it was then, or as it was
   * later. Infinity: as far as the stream has come, as it is before the first call.
   *
   * Where a key is written again before the server has delivered its earlier message, that message never comes.
   * This is called before the entry behind it is handed over, or before `loaded`, and again once what has taken
   * its place was handed over.
   */
  whole(revision: number): void;
  /** The server has nothing more to deliver: what has been heard is all there is up to this revision, as of now. */
  current(revision: number): void;
  /** There was a gap, or the stream is gone. To go on, open another stream, which begins with a snapshot. */
  ended(reason: BridgeError, cause?: GapCause): void;
}

/** One stream of a bucket, from its snapshot until it ends. */
export interface BucketRun {
  /** Ends the stream in silence. Safe in any state, any number of times. */
  stop(): void;
  /**
   * Finds out whether what was left out has been made up for, and tells by `whole`; to be called again and again
   * while somebody waits for that. Asks the server at most once every 20 ms, and nothing where nothing is missing.
   */
  prove(): void;
}

/** What a stream of a bucket brings. */
export interface OpenOptions {
  /** Entries come without their data: which keys there are, at which revisions. Default false. */
  readonly headersOnly?: boolean;
  /** Older values come too, as far as the bucket keeps them, each key's in order. Default false. */
  readonly history?: boolean;
}

/** Where buckets come from. Never creates one. */
export interface BucketSource {
  /** Opens a stream and returns at once; what comes of it is the sink's to hear. */
  open(bucket: string, sink: BucketSink, options?: OpenOptions): BucketRun;
  /**
   * What the server says of the bucket now; cheap, whatever the bucket's size. Rejects with a BridgeError, at
   * once while there is no connection.
   */
  describe(bucket: string): Promise<BucketInfo>;
  /** Calls the listener whenever a connection that was lost is back; the answer ends that. */
  onReconnect(listener: () => void): () => void;
}
