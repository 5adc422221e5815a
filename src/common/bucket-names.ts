/** What NATS accepts as the name of a KV bucket. */
// ADR-8; NATS allows names of 255 characters for streams, of which "KV_" takes three.
export const BUCKET_NAME: RegExp = /^[A-Za-z0-9_-]{1,252}$/;

/** What is accepted as a pattern of bucket names. */
export const BUCKET_PATTERN: RegExp = /^[A-Za-z0-9_*-]+$/;

/**
 * Whether the name matches the whole pattern, in which `*` stands for any run of characters. Bucket
 * names come from callers, so this is a two-pointer walk rather than a regular expression that
 * could backtrack.
 */
export function matchesBucketPattern(pattern: string, name: string): boolean {
  let p = 0;
  let n = 0;
  let star = -1;
  let resume = 0;
  while (n < name.length) {
    if (pattern[p] === "*") {
      star = p++;
      resume = n;
    } else if (pattern[p] === name[n]) {
      p++;
      n++;
    } else if (star >= 0) {
      p = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  while (pattern[p] === "*") p++;
  return p === pattern.length;
}

/** Whether a pattern of `allow` matches the bucket's name and none of `deny` does. */
export function isBucketAllowed(
  name: string,
  patterns: { readonly allow: readonly string[]; readonly deny: readonly string[] },
): boolean {
  return (
    patterns.allow.some((pattern) => matchesBucketPattern(pattern, name)) &&
    !patterns.deny.some((pattern) => matchesBucketPattern(pattern, name))
  );
}
