import { BUCKET_PATTERN, matchesBucketPattern } from "../common/bucket-names.ts";
import { BridgeError, quote } from "../errors.ts";

/** Which changes a subscriber wants to hear of. Nothing given: all. */
export interface FeedFilter {
  /** Names of buckets; `*` stands for any run of characters. At most 16. */
  readonly buckets?: readonly string[] | undefined;
  /** Keys with all that is under them: `a.b` means `a.b` and `a.b.c`, and not `a.bc`. At most 16. */
  readonly prefixes?: readonly string[] | undefined;
}

/** How many buckets, and how many prefixes, one filter may name. */
export const MAX_PATTERNS = 16;

const MAX_PATTERN_LENGTH = 252;
const MAX_PREFIX_LENGTH = 1_024;
/** How many buckets' answers are remembered. */
const REMEMBERED = 10_000;

/** A filter that has been checked. Patterns come from strangers: each bucket's name is compared only once. */
export class ChangeFilter {
  readonly #buckets: readonly string[] | undefined;
  readonly #prefixes: readonly string[] | undefined;
  readonly #known = new Map<string, boolean>();

  /** Throws `FEED_FILTER`. */
  constructor({ buckets, prefixes }: FeedFilter) {
    this.#buckets = checked("bucket", buckets, (name) => {
      return name.length <= MAX_PATTERN_LENGTH && BUCKET_PATTERN.test(name);
    });
    this.#prefixes = checked("prefix", prefixes, (prefix) => {
      return prefix.length <= MAX_PREFIX_LENGTH && prefix.split(".").every((part) => part !== "");
    });
  }

  hasBucket(name: string): boolean {
    if (this.#buckets === undefined) return true;
    let has = this.#known.get(name);
    if (has === undefined) {
      if (this.#known.size >= REMEMBERED) this.#known.clear();
      has = this.#buckets.some((pattern) => matchesBucketPattern(pattern, name));
      this.#known.set(name, has);
    }
    return has;
  }

  hasKey(key: string): boolean {
    if (this.#prefixes === undefined) return true;
    return this.#prefixes.some((prefix) => {
      return key.startsWith(prefix) && (key.length === prefix.length || key[prefix.length] === ".");
    });
  }

  /** The path that every key wanted stands at or under. */
  get path(): readonly string[] {
    const [only, ...others] = this.#prefixes ?? [];
    return only === undefined || others.length > 0 ? [] : only.split(".");
  }
}

function checked(
  what: "bucket" | "prefix",
  values: readonly string[] | undefined,
  isGood: (value: string) => boolean,
): readonly string[] | undefined {
  if (values === undefined || values.length === 0) return undefined;
  if (values.length > MAX_PATTERNS) {
    throw new BridgeError(
      "FEED_FILTER",
      `The filter names ${what} ${values.length} times; ${MAX_PATTERNS} are the most, so use a wider one.`,
    );
  }
  const bad = values.find((value) => !isGood(value));
  if (bad === undefined) return [...new Set(values)];
  const remedy =
    what === "bucket"
      ? "is not a pattern of bucket names; write letters, digits, _ and -, and * for any run of them"
      : `is not the start of a key; write segments with dots between them, at most ${MAX_PREFIX_LENGTH} characters`;
  throw new BridgeError("FEED_FILTER", `The filter's ${what} ${quote(bad)} ${remedy}.`);
}
