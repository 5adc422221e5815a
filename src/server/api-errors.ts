import { RevisionError } from "../watch/await-revisions.ts";
import type { BridgeError, ErrorCode } from "../errors.ts";

/** OPA's error body. `errors` names the bridge's own code. */
export interface ApiError {
  readonly status: number;
  readonly code:
    | "internal_error"
    | "invalid_operation"
    | "invalid_parameter"
    | "resource_conflict"
    | "resource_not_found"
    | "unauthorized"
    | "undefined_document";
  readonly message: string;
  readonly errors?: readonly { readonly code: string; readonly message: string }[];
  /** The revisions reached, where the request demands others. */
  readonly revisions?: Readonly<Record<string, number>>;
  /** The revision that a key has, where a write expects another. */
  readonly revision?: number;
}

/** A request that is refused before the bridge has anything to do with it. */
export class RequestError extends Error {
  readonly apiError: ApiError;

  constructor(apiError: ApiError) {
    super(apiError.message);
    this.apiError = apiError;
  }
}

type Answer = Pick<ApiError, "status" | "code">;

const ANSWERS: Partial<Record<ErrorCode, Answer>> = {
  INPUT_INVALID: { status: 400, code: "invalid_parameter" },
  PATH_INVALID: { status: 400, code: "invalid_parameter" },
  REVISION_NOT_REACHED: { status: 409, code: "resource_conflict" },
  NOT_SUPPORTED: { status: 501, code: "invalid_operation" },
  FEED_FILTER: { status: 400, code: "invalid_parameter" },
  FEED_CURSOR_INVALID: { status: 400, code: "invalid_parameter" },
  // Gone: no other try with the same cursor will do.
  FEED_CURSOR_TOO_OLD: { status: 410, code: "invalid_parameter" },
  FEED_CURSOR_EPOCH: { status: 410, code: "invalid_parameter" },
  FEED_FULL: { status: 503, code: "internal_error" },
  QUERY_TIMEOUT: { status: 503, code: "internal_error" },
  SERVER_BUSY: { status: 503, code: "internal_error" },
  BRIDGE_STOPPING: { status: 503, code: "internal_error" },
  BUCKET_UNAVAILABLE: { status: 503, code: "internal_error" },
};

/** An error of the bridge, as OPA's clients expect it. */
export function apiErrorOf(error: BridgeError): ApiError {
  const { status, code } = ANSWERS[error.code] ?? { status: 500, code: "internal_error" };
  // OPA's words for what fails in an evaluation; which it was, `errors` says.
  const message = error.code.startsWith("EVALUATION_")
    ? "error(s) occurred while evaluating query"
    : error.message;
  return {
    status,
    code,
    message,
    errors: [{ code: error.code, message: error.message }],
    ...(error instanceof RevisionError && { revisions: Object.fromEntries(error.reached) }),
  };
}

/** The error of a request that can't be understood. */
export function invalidParameter(message: string, status = 400): ApiError {
  return { status, code: "invalid_parameter", message };
}

/** The error of a body over `server.decoding.max_length`, packed or unpacked. */
export const BODY_TOO_LARGE: ApiError = invalidParameter("request body too large", 413);
