import { matchesBucketPattern } from "../common/bucket-names.ts";
import type { Clock } from "./clock.ts";

/**
 * What happens to a bucket whose copy is older than its budget:
 * - `serve`: nothing; its age is in the status.
 * - `flag`: policies are told (`nats.kv.status`), so are answers with provenance, and the bridge is not ready.
 * - `hide`: besides, policies see nothing of it, as if it were not watched.
 * - `unavailable`: besides, decisions that ask for it fail with `BUCKET_UNAVAILABLE`.
 */
export type StaleAction = "serve" | "flag" | "hide" | "unavailable";

/** How old the copy of some buckets may get. */
export interface StalenessRule {
  /** Bucket names, in which `*` stands for any run of characters. */
  readonly buckets: readonly string[];
  /** In milliseconds. */
  readonly maxStalenessMs: number;
  /** What happens to a copy that is older. */
  readonly onStale: StaleAction;
}

/** The first rule that names the bucket. */
export function stalenessOf(
  bucket: string,
  rules: readonly StalenessRule[] = [],
): StalenessRule | undefined {
  return rules.find(({ buckets }) =>
    buckets.some((pattern) => matchesBucketPattern(pattern, bucket)),
  );
}

/** Tells when a copy's age goes over its budget, by a timer, and when it is current again. */
export class StalenessWatch {
  readonly #clock: Clock;
  readonly #rule: StalenessRule | undefined;
  readonly #onStale: (rule: StalenessRule) => void;
  #currentAt = -Infinity;
  #stale = false;
  #cancel: (() => void) | undefined;

  /** Without a rule it is never stale. */
  constructor(
    clock: Clock,
    rule: StalenessRule | undefined,
    onStale: (rule: StalenessRule) => void,
  ) {
    this.#clock = clock;
    this.#rule = rule;
    this.#onStale = onStale;
  }

  /** How long ago the copy was last known to be current, in milliseconds. */
  get ageMs(): number {
    return this.#clock.now() - this.#currentAt;
  }

  get stale(): boolean {
    return this.#stale;
  }

  /** Whether policies must not see it: it is stale, and its rule says so. */
  get hidden(): boolean {
    const onStale = this.#rule?.onStale;
    return this.#stale && (onStale === "hide" || onStale === "unavailable");
  }

  /** The copy is current, as of so many milliseconds ago, which may be over its budget. */
  renew(agoMs = 0): void {
    this.#currentAt = Math.max(this.#currentAt, this.#clock.now() - agoMs);
    const rule = this.#rule;
    if (rule === undefined) return;
    this.#stale = this.ageMs > rule.maxStalenessMs;
    if (this.#cancel === undefined) this.#wait(rule, Math.max(0, rule.maxStalenessMs - this.ageMs));
  }

  stop(): void {
    this.#cancel?.();
  }

  #wait(rule: StalenessRule, ms: number): void {
    this.#cancel = this.#clock.after(ms, () => {
      this.#cancel = undefined;
      const leftMs = rule.maxStalenessMs - this.ageMs;
      if (leftMs > 0) {
        this.#wait(rule, leftMs);
        return;
      }
      this.#stale = true;
      this.#onStale(rule);
    });
  }
}
