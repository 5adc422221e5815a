import { RevisionConflict } from "../nats/bucket-writer.ts";

/** One change of one key. */
export interface Change {
  readonly bucket: string;
  readonly key: string;
  /** The value's JSON text; undefined: the key is deleted. */
  readonly text: string | undefined;
  /** The same, as it goes to NATS. */
  readonly bytes: Uint8Array | undefined;
  readonly id: string;
}

/** What is known of a key when a change is accepted. */
export interface Base {
  /** The revision of its value; 0: it has none. */
  readonly expected: number;
  /** Up to which revision the bucket was known then. */
  readonly followed: number;
  /** The identity of the bucket's stream. */
  readonly incarnation: string;
}

/**
 * The revision of the delete marker that stands where no value was known, if that is all the conflict is about:
 * markers are not kept here, so a key without a value may end with one. What is newer than what was known may be
 * a value.
 */
export function knownMarker(error: unknown, { expected, followed }: Base): number | undefined {
  if (expected !== 0 || !(error instanceof RevisionConflict)) return undefined;
  const { current } = error;
  return current !== undefined && current > 0 && current <= followed ? current : undefined;
}
