import { resolve } from "node:path";
import * as z from "zod";
import { formatDuration, parseDuration } from "../common/duration.ts";
import { formatBytes, parseBytes } from "./bytes.ts";
import { Secret } from "./secret.ts";

/** Says what is wrong with the value, or with a part of it, and the remedy. */
export type Report = (message: string, path?: readonly (string | number)[]) => void;

// Node's timers fire at once when they are set for longer than this.
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * A value that `read` checks and converts; the fallback stands in for an absent one. YAML writes an
 * absent value as null, and Go reads null so.
 */
export function field<T>(fallback: T, read: (value: unknown, report: Report) => T): z.ZodType<T> {
  return z
    .unknown()
    .optional()
    .transform((value, context) => {
      if (value === undefined || value === null) return fallback;
      return read(value, (message, path = []) => {
        context.addIssue({ code: "custom", message, path: [...path] });
      });
    });
}

/** A duration in milliseconds, at least `min`. */
export function duration(fallback: string, min = 0): z.ZodType<number> {
  const usual = parseDuration(fallback);
  return field(usual, (value, report) => {
    if (typeof value === "number") {
      const example = Number.isInteger(value) && value > 0 ? `"${value}s"` : `"${fallback}"`;
      report(`a duration is text with a unit; write ${example}, or another such as "1h30m"`);
      return usual;
    }
    let ms: number;
    try {
      ms = parseDuration(typeof value === "string" ? value : "");
    } catch (error) {
      report(
        error instanceof RangeError
          ? tooLong()
          : `not a duration; write "${fallback}", "250ms" or "1h30m"`,
      );
      return usual;
    }
    if (ms < 0) report(`a duration must not be negative; write "${fallback}"`);
    else if (ms < min) report(`must be at least ${formatDuration(min)}; write "${fallback}"`);
    else if (ms > MAX_TIMER_MS) report(tooLong());
    return ms;
  });
}

function tooLong(): string {
  return 'must be at most "596h" (24 days)';
}

/** A whole number from `min` to `max`. */
export function integer(
  fallback: number,
  min: number,
  max: number = Number.MAX_SAFE_INTEGER,
  note = "",
): z.ZodType<number> {
  return field(fallback, (value, report) => {
    const range = max === Number.MAX_SAFE_INTEGER ? `at least ${min}` : `from ${min} to ${max}`;
    if (typeof value === "string" && /^-?\d+$/.test(value)) {
      report(`must be a number, not text; write ${value} without quotes`);
    } else if (!Number.isSafeInteger(value) || Number(value) < min || Number(value) > max) {
      report(`must be a whole number, ${range}${note}; the default is ${fallback}`);
    } else {
      return Number(value);
    }
    return fallback;
  });
}

/** A size in bytes, at least 1. */
export function bytes<T extends number | undefined>(fallback: T): z.ZodType<T | number> {
  return field<T | number>(fallback, (value, report) => {
    const example = fallback === undefined ? "1GiB" : formatBytes(fallback);
    try {
      const size = parseBytes(value);
      if (size > 0) return size;
    } catch {
      // Reported below, like a size of 0.
    }
    report(
      `must be a size of at least 1 byte; write a number of bytes, or text such as "${example}"`,
    );
    return fallback;
  });
}

/** True or false. */
export function boolean<T extends boolean | undefined>(fallback: T): z.ZodType<T | boolean> {
  return field<T | boolean>(fallback, (value, report) => {
    if (typeof value === "boolean") return value;
    report("must be true or false, without quotes");
    return fallback;
  });
}

/**
 * A text that isn't empty. Null and "" are refused instead of read as absent: they are what an
 * unset environment variable leaves behind, and a bridge must not connect without the credentials
 * it was meant to have.
 */
export function text<T extends string | undefined>(fallback: T): z.ZodType<T | string> {
  return z
    .unknown()
    .optional()
    .transform((value, context) => {
      if (value === undefined) return fallback;
      if (typeof value === "string" && value !== "") return value;
      const message =
        value === null || value === ""
          ? "is empty (an environment variable that is not set?); give a value or remove the key"
          : "must be text; put it in quotes";
      context.addIssue({ code: "custom", message });
      return fallback;
    });
}

/** A {@link text} that is never shown. */
export function secret(): z.ZodType<Secret | undefined> {
  return text(undefined).transform((value) =>
    value === undefined ? undefined : new Secret(value),
  );
}

/** A path; relative ones start at `baseDir`. The answer is absolute. */
export function path(baseDir: string): z.ZodType<string | undefined> {
  return text(undefined).transform((value, context) => {
    if (value === undefined) return undefined;
    if (isFileContent(value)) {
      context.addIssue({
        code: "custom",
        message: "this is the content of a file; give the file's path instead",
      });
    }
    return resolve(baseDir, value);
  });
}

/** Whether a value that should be a path is the content of a key or credentials file. */
export function isFileContent(value: string): boolean {
  return /[\n\0]|-----BEGIN/.test(value);
}

/** One of some words. */
export function oneOf<T extends string>(fallback: T, words: readonly T[]): z.ZodType<T> {
  return field(fallback, (value, report) => {
    const word = words.find((one) => one === value);
    if (word === undefined) report(`must be one of: ${words.join(", ")}`);
    return word ?? fallback;
  });
}

/** A field that must be there. */
export function required<T>(type: z.ZodType<T>, remedy: string): z.ZodType<T> {
  return z
    .unknown()
    .superRefine((value, context) => {
      if (value === undefined || value === null)
        context.addIssue({ code: "custom", message: remedy });
    })
    .pipe(type);
}

/** A list of maps, or nothing, which is the same as an empty one. */
export function listOf<T>(schema: z.ZodType<T>): z.ZodType<T[]> {
  return z
    .array(schema, { error: "must be a list; write [...] around it" })
    .nullish()
    .transform((value) => value ?? []);
}

/** A list of texts that each match `pattern`. */
export function texts(
  fallback: readonly string[],
  pattern: RegExp,
  remedy: string,
): z.ZodType<readonly string[]> {
  return field(fallback, (value, report) => {
    if (!Array.isArray(value)) {
      report("must be a list; write [...] around it");
      return fallback;
    }
    const items: readonly unknown[] = value;
    return items.filter((item, index): item is string => {
      const good = typeof item === "string" && pattern.test(item);
      if (!good) report(remedy, [index]);
      return good;
    });
  });
}

/** A map, or nothing, which is the same as an empty one. */
export function section<T>(schema: z.ZodType<T>): z.ZodType<T> {
  return schema.nullish().transform((value) => value ?? schema.parse({}));
}

/** Whether the value is a map of keys. */
export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
