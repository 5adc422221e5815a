import { BUCKET_NAME, isBucketAllowed } from "../common/bucket-names.ts";
import { BridgeError, quote } from "../errors.ts";

/** Names of buckets that may be watched. */
export interface BucketPatterns {
  /** Buckets that may be watched; `*` stands for any run of characters. Default: all. */
  readonly allow?: readonly string[] | undefined;
  /** Buckets that may not, whatever `allow` says. Default: none. */
  readonly deny?: readonly string[] | undefined;
}

/** Which bucket names a caller may ask for. Names often come from a policy's input, so any string can come. */
export class BucketRules {
  readonly #patterns: { readonly allow: readonly string[]; readonly deny: readonly string[] };

  /** @param patterns - Default: every name is allowed. */
  constructor({ allow = ["*"], deny = [] }: BucketPatterns = {}) {
    this.#patterns = { allow, deny };
  }

  /** Throws `BUCKET_NAME` or `BUCKET_NOT_ALLOWED`. */
  check(bucket: string): void {
    if (!BUCKET_NAME.test(bucket)) {
      throw new BridgeError(
        "BUCKET_NAME",
        `${quote(bucket)} is not a KV bucket name; use 1 to 252 of A-Z a-z 0-9 _ -.`,
      );
    }
    if (!isBucketAllowed(bucket, this.#patterns)) {
      throw new BridgeError(
        "BUCKET_NOT_ALLOWED",
        `Bucket ${quote(bucket)} is not allowed; see plugins.nats.buckets.allow and .deny.`,
      );
    }
  }
}
