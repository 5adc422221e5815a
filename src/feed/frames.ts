import type { DocumentEntry } from "../store/document.ts";

/** Why a subscription was ended by the feed. */
export type FeedEndReason = "slow" | "overtaken" | "stopping";

/** Why everything that a subscriber knew is void, and comes anew. */
export type SnapshotReason = "requested" | "overtaken" | "cursor_too_old" | "other_epoch";

/**
 * One message to a subscriber. `text` is JSON, with values as they are stored.
 *
 * - `hello`: the first one. `cursor` is where the subscriber starts, `floor` the lowest cursor that can be replayed.
 * - `change`: what one commit changed, of what the filter lets through. Versions rise with every commit. A commit that
 *   is too large for one frame comes in several of one version, all but the last with `"more":true`. A `mount` in
 *   it says that the bucket came into sight; its data follows in `entries`.
 * - `snapshot`: forget everything; the buckets in sight follow in `entries`, even when they are empty.
 * - `entries`: some of a bucket's keys. A key may come again, as an entry or in a change: the later one counts.
 * - `complete`: ends `entries`. What the subscriber has is now exactly the store at this version.
 * - `progress`: nothing that the filter lets through has changed up to this version.
 * - `end`: the last one, with the reason, and the cursor to go on from.
 *
 * Only a frame that leaves the subscriber with exactly one version of the store has a `cursor`.
 */
export interface FeedFrame {
  /** Which kind of message it is. */
  readonly type: "hello" | "change" | "snapshot" | "entries" | "complete" | "progress" | "end";
  /** Where to go on from, once this frame was taken in. */
  readonly cursor?: string;
  /** The message, as JSON. */
  readonly text: string;
}

/** What frames have besides their type; values are JSON texts. */
type Fields = Readonly<Record<string, string | undefined>>;

export function frame(type: FeedFrame["type"], fields: Fields, cursor?: string): FeedFrame {
  const parts = [`"type":"${type}"`];
  for (const [name, text] of Object.entries(fields)) {
    if (text !== undefined) parts.push(`"${name}":${text}`);
  }
  if (cursor !== undefined) parts.push(`"cursor":${JSON.stringify(cursor)}`);
  const text = `{${parts.join(",")}}`;
  return cursor === undefined ? { type, text } : { type, text, cursor };
}

export function entryText(key: string, { text, revision }: DocumentEntry): string {
  return `{"key":${JSON.stringify(key)},"revision":${revision},"value":${text}}`;
}
