import type { BundleFiles } from "../policy/bundle-files.ts";

/** A bundle as it was found, still to be checked. */
export interface Content {
  readonly files: BundleFiles;
  /** What it was packed in; absent for a folder. */
  readonly bytes?: Buffer;
}

/** Something new that a source has. */
export interface Found {
  /** Tells this state of the source from any other. */
  readonly version: string;
  /** Reads it. Rejects with `BUNDLE_UNREADABLE`, `BUNDLE_INVALID` or `BUNDLE_DOWNLOAD`. */
  load(): Promise<Content>;
}

/** Where a bundle comes from. One look follows the other; `stop` ends what goes on beside them. */
export interface BundleSource {
  /** Whether what is there can be had without asking anybody. */
  readonly isLocal: boolean;
  /** No wait after a failure is longer, in milliseconds. */
  readonly maxRetryMs: number;
  /**
   * Resolves with what is there now; with undefined where that is still this version. May wait for something new.
   * Rejects with a BridgeError when nothing can be had.
   */
  look(version: string | undefined, signal: AbortSignal): Promise<Found | undefined>;
  /** Resolves when it is time to look again (after a failure: at most so many milliseconds), or the signal aborts. */
  pause(signal: AbortSignal, afterFailureMs?: number): Promise<void>;
  stop(): void;
}
