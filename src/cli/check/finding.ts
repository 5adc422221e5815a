import { isBridgeError, messageOf } from "../../errors.ts";

/** What one look at one thing has come to. */
export interface Finding {
  readonly what: "configuration" | "bundle" | "connection" | "bucket" | "writes";
  /** Which of them; empty where there is only one. */
  readonly name: string;
  /** `skipped`: it could not be looked at, because something before it failed. */
  readonly verdict: "ok" | "warning" | "failed" | "skipped";
  /** Of the error table, where the finding is one of its errors. */
  readonly code?: string;
  /** What is there, or what is wrong and what to do about it. */
  readonly detail: string;
}

export function failedBy(what: Finding["what"], name: string, error: unknown): Finding {
  return {
    what,
    name,
    verdict: "failed",
    ...(isBridgeError(error) && { code: error.code }),
    detail: messageOf(error),
  };
}
