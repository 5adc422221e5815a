import { isBridgeError, messageOf } from "../errors.ts";
import type { BucketInfo, BucketSource } from "../nats/bucket-source.ts";
import type { BucketDocument } from "../store/bucket-document.ts";
import type { AuditSlots } from "./audit-slots.ts";
import { type Clock, sleep } from "./clock.ts";
import type { Heard } from "./heard.ts";
import type { RepairCause } from "./listen.ts";
import { compare, list } from "./listing.ts";

export interface AuditorOptions {
  readonly bucket: string;
  readonly source: BucketSource;
  readonly clock: Clock;
  readonly slots: AuditSlots;
  readonly refreshIntervalMs: number;
  readonly heard: Heard;
  /** The copy; undefined while it is not in the store. */
  readonly document: () => BucketDocument | undefined;
  /** Resolves when everything that was heard is in the store. */
  readonly written: () => Promise<void>;
  /** Told that the copy differs from the bucket, and should be loaded again. */
  readonly onDifference: (cause: RepairCause, what: string) => void;
}

/**
 * The first audit comes soon after the load, not at the same moment for all, and each of the next ones after twice
 * the time, up to the interval: a consumer that was made while a cluster had lost a node may be told nothing new.
 */
const FIRST_AUDIT_MS = 1_000;
/** Attempts to ask at a moment at which nothing is on its way. */
const ROUNDS = 3;
/** Listings take at most this part of the time, of which each key takes so much. */
const LISTING_SHARE = 0.05;
const LISTING_MS_PER_KEY = 0.01;
/** Listings in a row that a bucket's changes may make useless. */
const MAX_UNCLEAR = 3;

type Finding = "current" | "open" | { readonly cause: RepairCause; readonly what: string };

/**
 * Proves, again and again, that what one stream has said is all there is: compares it with what the server says
 * of the bucket, and with a listing of its keys where that does not settle it.
 */
export class Auditor {
  readonly #options: AuditorOptions;
  readonly #stop = new AbortController();
  #provedAt: number | undefined;
  #doubt: string | undefined;
  /** Subjects of the stream that are no keys of ours, as the last listing has shown. */
  #foreign = 0;
  #listAgainAt = -Infinity;
  #unclear = 0;

  constructor(options: AuditorOptions) {
    this.#options = options;
    if (options.refreshIntervalMs > 0) void this.#run();
  }

  /** How long ago the copy was last proved to be right, in milliseconds. */
  get provedMs(): number | undefined {
    return this.#provedAt && this.#options.clock.now() - this.#provedAt;
  }

  /** Why the last audit could not be made. */
  get doubt(): string | undefined {
    return this.#doubt;
  }

  stop(): void {
    this.#stop.abort();
  }

  async #run(): Promise<void> {
    const { clock, refreshIntervalMs } = this.#options;
    const { signal } = this.#stop;
    let intervalMs = Math.min(FIRST_AUDIT_MS, refreshIntervalMs);
    await sleep(clock, clock.random() * intervalMs, signal);
    while (!signal.aborted) {
      let finding: Finding = "open";
      try {
        finding = await this.#audit(intervalMs < refreshIntervalMs);
        this.#doubt = undefined;
      } catch (error) {
        if (isBridgeError(error, "BUCKET_NOT_FOUND")) finding = replaced(error.message);
        else this.#doubt = messageOf(error);
      }
      if (signal.aborted) return;
      if (typeof finding === "object") {
        this.#options.onDifference(finding.cause, finding.what);
        return;
      }
      if (finding === "current") this.#provedAt = clock.now();
      intervalMs = Math.min(intervalMs * 2, refreshIntervalMs);
      await sleep(clock, intervalMs * (0.9 + 0.2 * clock.random()), signal);
    }
  }

  /** `extra`: it comes before one has to. */
  async #audit(extra: boolean): Promise<Finding> {
    const { heard, written, document } = this.#options;
    const { signal } = this.#stop;
    let differs = false;
    for (let round = 0; round < ROUNDS; round++) {
      const before = heard.position;
      const info = await this.#describe();
      if (signal.aborted) return "open";
      const difference = contradiction(heard.base, before, info);
      if (difference !== undefined) return difference;
      if (!(await heard.reaches(info.revision, signal))) {
        return signal.aborted ? "open" : stalled(info.revision);
      }
      await written();
      const copy = document();
      if (signal.aborted || copy === undefined) return "open";
      if (heard.position !== info.revision) continue;
      differs = !isSettled(heard, copy, info, this.#foreign);
      if (differs) break;
      heard.proved(info);
      return "current";
    }
    if (this.#options.clock.now() >= this.#listAgainAt) return this.#list();
    // Until a listing tells, there is reason to think that the copy is wrong.
    if (differs && !extra)
      throw new Error("the server counts otherwise; the next listing is not due yet");
    return "open";
  }

  #describe(): Promise<BucketInfo> {
    const { slots, source, bucket } = this.#options;
    return slots.questions.runExclusive(() => source.describe(bucket));
  }

  async #list(): Promise<Finding> {
    const { clock, slots, source, bucket, heard, written, document } = this.#options;
    const { signal } = this.#stop;
    return slots.listings.runExclusive(async () => {
      if (signal.aborted) return "open";
      const before = await this.#describe();
      const listing = await list(source, bucket, clock, signal);
      // Keys whose end the listing knows of, and the copy does not yet, would be taken for surplus.
      if (!(await heard.reaches(listing.revision, signal))) {
        return signal.aborted ? "open" : stalled(listing.revision);
      }
      await written();
      const copy = document();
      if (signal.aborted || copy === undefined) return "open";
      const verdict = await compare(listing, heard, copy, clock);
      const costMs = listing.keys.size * LISTING_MS_PER_KEY;
      this.#listAgainAt = clock.now() + costMs / LISTING_SHARE;
      this.#unclear = verdict === "unclear" ? this.#unclear + 1 : 0;
      if (verdict === "vanished" || this.#unclear >= MAX_UNCLEAR) {
        return { cause: "vanished", what: "it has fewer keys than its copy" };
      }
      if (verdict === "missing") {
        return { cause: "missing", what: "it has keys or revisions that its copy has not" };
      }
      if (verdict === "unclear") return "open";
      await this.#rebase(listing.revision, before);
      return "current";
    });
  }

  /** Where nothing has happened while the listing was made, what the server says now is known to be right. */
  async #rebase(revision: number, before: BucketInfo): Promise<void> {
    const { heard, document } = this.#options;
    const info = await this.#describe();
    const own = subjects(heard, document());
    if (info.revision !== revision || heard.position !== revision || own === undefined) return;
    // What the server removes without a word changes no revision; nor may it pass for what is not ours.
    const quiet = info.keys === before.keys && info.messages === before.messages;
    if (!quiet || before.revision !== revision) return;
    if (contradiction(heard.base, revision, info) !== undefined) return;
    this.#foreign = info.keys - own;
    heard.proved(info);
  }
}

function stalled(revision: number): Finding {
  const what = `revision ${revision} does not come`;
  return { cause: "stalled", what };
}

function replaced(what: string): Finding {
  return { cause: "incarnation", what };
}

/** What can't be, if the server still has the bucket that was loaded. */
function contradiction(base: BucketInfo, position: number, now: BucketInfo): Finding | undefined {
  if (now.incarnation !== base.incarnation) return replaced("it was deleted and made again");
  if (now.revision < position) {
    const what = `it is at revision ${now.revision}, after ${position}`;
    return { cause: "regressed", what };
  }
  if (now.maxAgeMs === base.maxAgeMs) return undefined;
  return { cause: "settings", what: "the age at which its entries expire was changed" };
}

/**
 * Whether the numbers alone prove that the copy is right: every revision has been heard, no message has gone that
 * they can't account for, and there are as many keys and markers as were heard.
 */
function isSettled(
  heard: Heard,
  document: BucketDocument,
  now: BucketInfo,
  foreign: number,
): boolean {
  const { base, sinceBase } = heard;
  if (sinceBase !== now.revision - base.revision) return false;
  if (now.history !== 1 && now.messages !== base.messages + sinceBase) return false;
  return subjects(heard, document) === now.keys - foreign;
}

function subjects({ markers }: Heard, document: BucketDocument | undefined): number | undefined {
  return document && markers !== undefined ? document.keys + markers : undefined;
}
