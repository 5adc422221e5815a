import type { RepairCause } from "./listen.ts";
import type { BucketDocument, KeyChange } from "../store/bucket-document.ts";

/**
 * Mark and sweep: what makes a document equal to a fresh snapshot of its bucket. Only real differences come
 * out of it, removals of keys that vanished without a marker among them.
 */
export function differences(
  document: BucketDocument,
  snapshot: ReadonlyMap<string, KeyChange>,
  revision: number,
): KeyChange[] {
  const changes: KeyChange[] = [];
  for (const [key, change] of snapshot) {
    const entry = document.entry(key);
    const same =
      change.value === undefined
        ? document.refused.get(key) === change.refused
        : entry?.revision === change.revision && entry.text === change.value.text;
    if (!same) changes.push(change);
  }
  for (const [key] of document.entries()) {
    if (!snapshot.has(key)) changes.push({ key, revision });
  }
  for (const key of document.refused.keys()) {
    if (!snapshot.has(key)) changes.push({ key, revision });
  }
  return changes;
}

/** How many times a bucket was loaded again, by what had happened, and how many differences that has found. */
export class Repairs {
  readonly #counts = new Map<RepairCause, number>();
  #differences = 0;

  add(cause: RepairCause, differences: number): void {
    this.#counts.set(cause, (this.#counts.get(cause) ?? 0) + 1);
    this.#differences += differences;
  }

  get counts(): ReadonlyMap<RepairCause, number> {
    return this.#counts;
  }

  get differences(): number {
    return this.#differences;
  }
}
