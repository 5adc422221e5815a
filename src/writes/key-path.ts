import { isBucketAllowed } from "../common/bucket-names.ts";
import { BridgeError, quote } from "../errors.ts";
import type { BucketDocument } from "../store/bucket-document.ts";

/** Which key of which bucket. */
export interface KeyPath {
  readonly bucket: string;
  readonly key: string;
}

/** KV's keys (ADR-8) without the dots, which separate. */
const SEGMENT = /^[-/=\w]+$/;
/** A subject has to fit into the server's control line, which is 4,096 bytes by default. */
const MAX_KEY_LENGTH = 2_048;

/**
 * The key that a path of `data` names: `nats/kv/<bucket>/<key>`, or a key of the root bucket.
 *
 * Throws `WRITE_PATH`, or `WRITE_NOT_ALLOWED` for a bucket that the patterns don't allow.
 */
export function keyPath(
  path: readonly string[],
  rootBucket: string | undefined,
  patterns: { readonly allow: readonly string[]; readonly deny: readonly string[] },
): KeyPath {
  const isNamed = path[0] === "nats" && path[1] === "kv";
  const bucket = isNamed ? path[2] : rootBucket;
  const segments = isNamed ? path.slice(3) : path;
  if (bucket === undefined || segments.length === 0) {
    throw refused(path, "only keys of buckets can be written, at nats/kv/<bucket>/<key>");
  }
  if (isNamed && bucket === rootBucket) {
    throw refused(path, "it is the root bucket, whose keys stand at the top of data");
  }
  if (!isBucketAllowed(bucket, patterns)) {
    throw new BridgeError(
      "WRITE_NOT_ALLOWED",
      `Bucket ${quote(bucket)} is not to be written; see writes.buckets.allow and .deny.`,
    );
  }
  const key = segments.join(".");
  if (key.length > MAX_KEY_LENGTH) {
    throw refused(path, `a key has at most ${MAX_KEY_LENGTH} characters`);
  }
  const bad = segments.find((segment) => !SEGMENT.test(segment));
  if (bad !== undefined) {
    throw refused(path, `${quote(bad)} can't be in a key; use A-Z a-z 0-9 _ - = /`);
  }
  if (key.startsWith("_kv")) throw refused(path, 'keys that begin with "_kv" belong to NATS');
  return { bucket, key };
}

/**
 * Throws `WRITE_PATH` where the document at the path is not this key's value: with deeper keys under it, or, when the
 * key is new, inside the value of a shorter key.
 */
export function checkAlone(document: BucketDocument, { bucket, key }: KeyPath): void {
  const exists = document.entry(key) !== undefined;
  for (const [other] of document.entries(key.split("."))) {
    if (other === key) continue;
    if (other.length > key.length) {
      throw new BridgeError(
        "WRITE_PATH",
        `Key ${quote(key)} of bucket ${quote(bucket)} has others under it, such as ${quote(other)}; write those.`,
      );
    }
    if (!exists) {
      throw new BridgeError(
        "WRITE_PATH",
        `The path of key ${quote(key)} is inside the value of key ${quote(other)} of bucket ${quote(bucket)}; PATCH that.`,
      );
    }
  }
}

function refused(path: readonly string[], why: string): BridgeError {
  return new BridgeError("WRITE_PATH", `${quote(path.join("/"))} can't be written: ${why}.`);
}
