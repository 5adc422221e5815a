import { BridgeError, quote } from "../errors.ts";

/**
 * A place in the feed: the version that was told last, in one life of the store. Versions start again with the
 * next life, so the epoch (a random name) goes with them. As text: `<epoch>:<version>`.
 */
export interface Cursor {
  readonly epoch: string;
  readonly version: number;
}

const CURSOR = /^([A-Za-z0-9_-]{1,32}):(0|[1-9]\d{0,15})$/;

export function formatCursor(epoch: string, version: number): string {
  return `${epoch}:${version}`;
}

/** Throws `FEED_CURSOR_INVALID`. */
export function parseCursor(text: string): Cursor {
  const [, epoch, version] = CURSOR.exec(text) ?? [];
  if (epoch !== undefined && Number.isSafeInteger(Number(version))) {
    return { epoch, version: Number(version) };
  }
  throw new BridgeError(
    "FEED_CURSOR_INVALID",
    `${quote(text)} is not a cursor; send one as the feed gave it, or none to start with what is new.`,
  );
}
