import * as z from "zod";
import { BUCKET_PATTERN } from "../common/bucket-names.ts";
import { boolean, bytes, integer, section, texts } from "./fields.ts";
import type { BucketOptions, WriteOptions } from "./options.ts";
import type { WritesConfig } from "./types.ts";

const patternRemedy = "must be a bucket name or a pattern; use letters, digits, -, _ and * only";

const bucketsShape = {
  allow: texts(["*"], BUCKET_PATTERN, patternRemedy),
  deny: texts([], BUCKET_PATTERN, patternRemedy),
} satisfies Record<keyof BucketOptions, z.ZodType>;

const writesShape = {
  enabled: boolean(false),
  buckets: section(z.strictObject(bucketsShape)),
  buffer: boolean(false),
  buffer_size_limit_writes: integer(10_000, 1, 10_000_000),
  buffer_size_limit_bytes: bytes(16 * 2 ** 20),
} satisfies Record<keyof WriteOptions, z.ZodType>;

/** `writes`; undefined where nothing is to be written. */
export const writes: z.ZodType<WritesConfig | undefined> = section(
  z.strictObject(writesShape).transform((options) => {
    if (!options.enabled) return undefined;
    const { allow, deny } = options.buckets;
    const maxItems = options.buffer_size_limit_writes;
    const maxBytes = options.buffer_size_limit_bytes;
    return { allow, deny, ...(options.buffer && { buffer: { maxItems, maxBytes } }) };
  }),
);

/** The keys of the section's maps, for suggestions. */
export const WRITES_KEYS: readonly (readonly [path: string, keys: readonly string[]])[] = [
  ["writes", Object.keys(writesShape)],
  ["writes.buckets", Object.keys(bucketsShape)],
];
