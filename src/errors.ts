const TABLE = {
  BRIDGE_STOPPING: {
    retryable: false,
    meaning: "The bridge is stopping or has stopped; nothing new is started.",
  },
  CONFIG_INVALID: {
    retryable: false,
    meaning: "The configuration has a key or a value that can't be used.",
  },
  CONFIG_UNREADABLE: {
    retryable: false,
    meaning: "The configuration file can't be read or is not YAML or JSON.",
  },
  NATS_UNREACHABLE: { retryable: true, meaning: "No NATS server answered at the addresses given." },
  NATS_AUTH: { retryable: true, meaning: "The NATS server refused the credentials." },
  NATS_CREDENTIALS: {
    retryable: false,
    meaning: "A credentials or TLS file can't be read or used.",
  },
  NATS_SERVERS: {
    retryable: true,
    meaning: "The list of NATS servers can't be had or used, or is empty.",
  },
  NATS_TIMEOUT: { retryable: true, meaning: "The NATS server did not answer in time." },
  NATS_PROTOCOL: {
    retryable: true,
    meaning: "What came from the NATS server can't be read; the connection is made anew.",
  },
  NATS_CLOSED: { retryable: true, meaning: "The connection to NATS is closed." },
  JETSTREAM_UNAVAILABLE: {
    retryable: true,
    meaning: "JetStream is not enabled for this server or account.",
  },
  BUCKET_NAME: { retryable: false, meaning: "The name is not a valid KV bucket name." },
  BUCKET_NOT_ALLOWED: {
    retryable: false,
    meaning: "The configuration does not allow this bucket.",
  },
  BUCKET_NOT_FOUND: { retryable: true, meaning: "There is no KV bucket of this name." },
  BUCKET_FORBIDDEN: { retryable: true, meaning: "The NATS user may not read this bucket." },
  BUCKET_LOAD_TIMEOUT: {
    retryable: true,
    meaning: "The bucket's first load did not finish in time.",
  },
  BUCKET_OVER_BUDGET: {
    retryable: true,
    meaning: "The bucket is larger than the configured budget.",
  },
  BUCKET_STREAM_ENDED: {
    retryable: true,
    meaning: "The bucket's stream of entries ended or had a gap.",
  },
  BUCKET_STALE: {
    retryable: true,
    meaning: "The bucket's copy is over its staleness budget, so policies don't see it.",
  },
  BUCKET_UNAVAILABLE: {
    retryable: true,
    meaning: "The decision uses a bucket whose copy is over its staleness budget.",
  },
  BUCKET_LOOKUPS_LIMITED: {
    retryable: true,
    meaning: "Too many unknown or waiting buckets are asked for at the moment.",
  },
  WATCHERS_ALL_PINNED: {
    retryable: true,
    meaning: "Every watcher is in use by a query, so none can make room.",
  },
  STORE_CONFLICT: {
    retryable: true,
    meaning: "The bucket's data in the store belongs to another watcher.",
  },
  STORE_TRANSACTION: {
    retryable: false,
    meaning: "The transaction has already been committed or aborted, or the snapshot released.",
  },
  BUNDLE_UNREADABLE: {
    retryable: false,
    meaning: "The file can't be read, or is neither a bundle nor a WebAssembly module.",
  },
  BUNDLE_INVALID: { retryable: false, meaning: "The bundle's content can't be used." },
  BUNDLE_DOWNLOAD: {
    retryable: true,
    meaning: "The bundle can't be had from the service or object store that keeps it.",
  },
  BUNDLE_SIGNATURE: {
    retryable: false,
    meaning: "The bundle's signature is missing, or is not one that the configuration asks for.",
  },
  BUNDLE_NO_PREVIOUS: { retryable: false, meaning: "There is no bundle to go back to." },
  BUNDLE_ROOTS: {
    retryable: false,
    meaning: "Two bundles, or a bundle and the watched buckets, claim one path of data.",
  },
  POLICY_ABI: {
    retryable: false,
    meaning: "The WebAssembly module has an ABI that is not supported.",
  },
  POLICY_BUILTIN_MISSING: {
    retryable: false,
    meaning: "The policy calls a builtin that is not available.",
  },
  PATH_INVALID: { retryable: false, meaning: "The path of the decision can't be used." },
  INPUT_INVALID: { retryable: false, meaning: "The input is not a JSON value." },
  EVALUATION_FAILED: { retryable: false, meaning: "The policy's evaluation failed." },
  EVALUATION_TIMEOUT: {
    retryable: false,
    meaning: "The policy's evaluation took longer than it may, and was ended.",
  },
  EVALUATION_MEMORY: {
    retryable: false,
    meaning: "The policy's evaluation needed more memory than it may have, and was ended.",
  },
  EVALUATION_DEPTH: {
    retryable: false,
    meaning: "The policy's evaluation went deeper than the stack is, and was ended.",
  },
  QUERY_TIMEOUT: { retryable: true, meaning: "The query waited too long, or too often, for data." },
  REVISION_NOT_REACHED: {
    retryable: true,
    meaning: "A bucket has not reached the revision that the request demands.",
  },
  WRITE_NOT_ALLOWED: {
    retryable: false,
    meaning: "The configuration, or NATS, does not let this bucket be written.",
  },
  WRITE_PATH: {
    retryable: false,
    meaning: "What stands at the path is not one key of a bucket, so it can't be written.",
  },
  WRITE_TOO_LARGE: { retryable: false, meaning: "The value is larger than NATS takes." },
  KEY_NOT_FOUND: { retryable: false, meaning: "There is nothing at the path that can be changed." },
  PATCH_INVALID: { retryable: false, meaning: "The body is not a usable JSON Patch (RFC 6902)." },
  PATCH_TEST_FAILED: {
    retryable: false,
    meaning: "A test of the JSON Patch does not hold, so nothing is changed.",
  },
  REVISION_CONFLICT: {
    retryable: true,
    meaning: "The key has a newer revision than the one known here, so nothing is written.",
  },
  NOT_SUPPORTED: {
    retryable: false,
    meaning: "The request needs something that policies in WebAssembly can't do.",
  },
  SERVER_BUSY: { retryable: true, meaning: "Too many requests are under way." },
  DECISION_MASK: {
    retryable: false,
    meaning: "The mask policy's answer can't be used, so the event is not logged.",
  },
  DECISION_SINK: {
    retryable: true,
    meaning: "Decision events can't be delivered; they wait in the buffer.",
  },
  FEED_FILTER: { retryable: false, meaning: "The change feed's filter can't be used." },
  FEED_CURSOR_INVALID: { retryable: false, meaning: "The feed has never given this cursor." },
  FEED_CURSOR_TOO_OLD: {
    retryable: false,
    meaning: "What comes after the cursor is no longer kept.",
  },
  FEED_CURSOR_EPOCH: { retryable: false, meaning: "The cursor is of another run of the bridge." },
  FEED_FULL: { retryable: true, meaning: "The feed has as many subscribers as it may." },
  FEED_REFUSED: {
    retryable: false,
    meaning: "The service refuses a subscription to its change feed.",
  },
  SERVER_LISTEN: { retryable: false, meaning: "The service can't listen on the address given." },
  TOOL_MISSING: { retryable: false, meaning: "A program that is needed can't be found." },
  TOOL_FAILED: { retryable: false, meaning: "A program that was started ended with an error." },
} as const;

/** The stable codes of {@link BridgeError}; the README's section "Errors" lists them all. */
// Without the extraction, declarations and messages would have the whole list in the place of the name.
export type ErrorCode = Extract<keyof typeof TABLE, string>;

/** What a code stands for. */
export interface ErrorMeaning {
  /** Whether the same call can succeed later without a change by the caller. */
  readonly retryable: boolean;
  /** In one sentence. */
  readonly meaning: string;
}

/**
 * Every error that the bridge raises on purpose, in one table: a stable code, whether trying the same
 * thing again later can help, and what the code means. Messages name the value that was wrong and the remedy.
 */
export const ERROR_CODES: Readonly<Record<ErrorCode, ErrorMeaning>> = TABLE;

/** The one error class of the bridge. `code` is stable; `message` says what was wrong, the value, and the remedy. */
export class BridgeError extends Error {
  /** Always "BridgeError". */
  override readonly name = "BridgeError";
  /** Says what has happened; the same in every version. */
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }

  /** Whether the same call can succeed later without a change by the caller. */
  get retryable(): boolean {
    return ERROR_CODES[this.code].retryable;
  }
}

/** True for a {@link BridgeError}, of the given code where one is given. */
export function isBridgeError(error: unknown, code?: ErrorCode): error is BridgeError {
  return error instanceof BridgeError && (code === undefined || error.code === code);
}

/** A short form of a caller's value for a message: quoted, control characters escaped, at most 80 characters. */
export function quote(value: unknown): string {
  let text: string | undefined;
  try {
    text = typeof value === "bigint" ? String(value) : JSON.stringify(value);
  } catch {
    text = undefined;
  }
  text ??= String(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  return typeof error === "string" ? error : quote(error);
}
