import { ErrorCode, headers, type NatsConnection, NatsError } from "nats";
import { BridgeError, quote } from "../errors.ts";
import type { NatsLink } from "./connection.ts";
import { bucketError } from "./errors.ts";
import { originPrefix } from "./mirror-origin.ts";

/** One change of one key, and what it is a change of. */
export interface KeyWrite {
  readonly bucket: string;
  readonly key: string;
  /** Undefined: a delete marker. */
  readonly value: Uint8Array | undefined;
  /** The revision that the key's last entry must have; 0: that there must be none. */
  readonly expected: number;
  /** The identity of the stream that the revision is of. */
  readonly incarnation: string;
  /** The same write, sent again, is stored once, within the stream's duplicate window. */
  readonly id: string;
}

/** Puts entries into buckets, by compare-and-set. Never creates a bucket. */
export interface BucketWriter {
  /** Whether there is a connection at the moment. */
  readonly connected: boolean;
  /**
   * Resolves with the new entry's revision. Rejects with `REVISION_CONFLICT` ({@link RevisionConflict}), with
   * `WRITE_TOO_LARGE` or `WRITE_NOT_ALLOWED`, or, where it isn't known whether the entry is stored, with another
   * BridgeError.
   */
  write(write: KeyWrite): Promise<number>;
  /** Calls the listener whenever a connection that was lost is back; the answer ends that. */
  onReconnect(listener: () => void): () => void;
}

/** The key's last entry is another than the one expected. */
export class RevisionConflict extends BridgeError {
  /** The revision of the key's last entry, a delete marker's too; undefined where it isn't known. */
  readonly current: number | undefined;

  constructor(bucket: string, key: string, current: number | undefined, cause?: unknown) {
    super(
      "REVISION_CONFLICT",
      `Key ${quote(key)} of bucket ${quote(bucket)} has changed meanwhile; read it, and try again.`,
      { cause },
    );
    this.current = current;
  }
}

/** What a bucket's stream is, as far as writing goes. */
interface Target {
  readonly incarnation: string;
  /** Before the key, in the subject to publish to. */
  readonly prefix: string;
}

/** The server's codes (`err_code`) for a publish that it refuses. */
const WRONG_LAST_SEQUENCE: ReadonlySet<number> = new Set([10_071, 10_164]);
const TOO_LARGE = 10_054;
/** A cluster without a leader, and one that has no room at the moment. */
const PASSING: ReadonlySet<number> = new Set([10_008, 10_009, 10_023]);

/** The buckets at the other end of a connection, to be written. */
export function writerOf(link: NatsLink): BucketWriter {
  let asked: NatsConnection | undefined;
  const targets = new Map<string, Target>();

  async function targetOf(connection: NatsConnection, write: KeyWrite): Promise<Target> {
    // Another connection may lead to another server, of another past.
    if (asked !== connection || targets.size >= MAX_TARGETS) targets.clear();
    asked = connection;
    const known = targets.get(write.bucket);
    if (known?.incarnation === write.incarnation) return known;
    const manager = await connection.jetstreamManager({
      checkAPI: false,
      timeout: link.timeoutMs,
    });
    const info = await manager.streams.info(`KV_${write.bucket}`);
    const { created: incarnation, config } = info;
    // What a mirror's origin is, nobody tells when it changes; so that is asked for at every write.
    if (config.mirror !== undefined) {
      const { bucket, expected } = write;
      const { timeoutMs: timeout } = link;
      const prefix = await originPrefix({ connection, timeout, bucket, info, expected });
      return { incarnation, prefix };
    }
    const target: Target = { incarnation, prefix: `$KV.${write.bucket}.` };
    targets.set(write.bucket, target);
    return target;
  }

  return {
    get connected() {
      return link.state === "connected";
    },
    onReconnect: (listener) => link.onReconnect(listener),
    async write(write) {
      const { bucket, key, value, expected, incarnation, id } = write;
      if (link.state !== "connected") throw noConnection();
      try {
        const connection = await link.connection();
        const most = connection.info?.max_payload ?? Number.POSITIVE_INFINITY;
        if (value !== undefined && value.length + ROOM_FOR_HEADERS > most) throw tooLarge(write);
        const target = await targetOf(connection, write);
        // Revisions of another stream of this name mean nothing in this one.
        if (target.incarnation !== incarnation) throw new RevisionConflict(bucket, key, undefined);
        const marker = headers();
        if (value === undefined) marker.set("KV-Operation", "DEL");
        const { seq } = await connection
          .jetstream({ timeout: link.timeoutMs })
          .publish(target.prefix + key, value ?? new Uint8Array(), {
            msgID: id,
            headers: marker,
            expect: { lastSubjectSequence: expected },
          });
        return seq;
      } catch (error) {
        // The bucket may be gone, or another.
        targets.delete(bucket);
        throw writeError(error, write);
      }
    },
  };
}

const MAX_TARGETS = 10_000;
const ROOM_FOR_HEADERS = 512;

/** There is nobody to write to. */
export function noConnection(): BridgeError {
  return new BridgeError(
    "NATS_UNREACHABLE",
    "There is no connection to NATS at the moment, so nothing is written; try again later.",
  );
}

function tooLarge({ bucket, key, value }: KeyWrite, cause?: unknown): BridgeError {
  return new BridgeError(
    "WRITE_TOO_LARGE",
    `The value for ${quote(key)} of bucket ${quote(bucket)} has ${value?.length ?? 0} bytes, more than NATS takes; raise max_payload of the server, or the bucket's maximum value size.`,
    { cause },
  );
}

function writeError(error: unknown, write: KeyWrite): BridgeError {
  const { bucket, key } = write;
  const nats = error instanceof NatsError ? error : undefined;
  const { err_code: code = 0, description = "" } = nats?.api_error ?? {};
  if (WRONG_LAST_SEQUENCE.has(code)) {
    const [, last] = /(\d+)$/.exec(description) ?? [];
    return new RevisionConflict(bucket, key, last === undefined ? undefined : Number(last), error);
  }
  if (code === TOO_LARGE || nats?.code === ErrorCode.MaxPayloadExceeded) {
    return tooLarge(write, error);
  }
  if (nats?.isPermissionError() === true) {
    return new BridgeError(
      "WRITE_NOT_ALLOWED",
      `The NATS user may not write bucket ${quote(bucket)}; grant it (README, "Permissions").`,
      { cause: error },
    );
  }
  // Anything else that the server has to say of this very write, it will say again.
  if (code !== 0 && nats?.api_error?.code !== 404 && !PASSING.has(code)) {
    return new BridgeError(
      "WRITE_NOT_ALLOWED",
      `NATS refuses to write bucket ${quote(bucket)}: ${quote(description)}.`,
      { cause: error },
    );
  }
  return bucketError(error, bucket);
}
