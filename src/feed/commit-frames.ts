import type { LoggedCommit } from "./commit-log.ts";
import type { ChangeFilter } from "./filter.ts";

/** A part of a commit, as far as a filter lets it through. */
export interface CommitPart {
  /** JSON of the changes, with commas between them; empty when there is none. */
  readonly text: string;
  /** Buckets that came into sight. */
  readonly mounted: readonly string[];
  /** The change to go on with; undefined when the commit is at its end. */
  readonly next: number | undefined;
  /** How many changes were looked at. */
  readonly scanned: number;
}

/** Reads a commit from one of its changes on, at most so many changes and about so many characters. */
export function readCommit(
  { changes }: LoggedCommit,
  from: number,
  filter: ChangeFilter,
  maxChanges: number,
  maxChars: number,
): CommitPart {
  const texts: string[] = [];
  const mounted: string[] = [];
  let chars = 0;
  let index = from;
  for (; index < changes.length && index - from < maxChanges && chars < maxChars; index++) {
    const change = changes[index]!;
    if (!filter.hasBucket(change.bucket)) continue;
    if (change.key !== undefined && !filter.hasKey(change.key)) continue;
    if (change.type === "mount") mounted.push(change.bucket);
    texts.push(change.text);
    chars += change.text.length;
  }
  return {
    text: texts.join(","),
    mounted,
    next: index < changes.length ? index : undefined,
    scanned: index - from,
  };
}
