import type { BridgeError, ErrorCode } from "../errors.ts";

/** OPA's error body. `errors` names the bridge's own code. */
export interface ApiError {
  readonly status: number;
  readonly code: "internal_error" | "invalid_parameter" | "resource_not_found";
  readonly message: string;
  readonly errors?: readonly { readonly code: string; readonly message: string }[];
}

/** A request that is refused before the bridge has anything to do with it. */
export class RequestError extends Error {
  readonly apiError: ApiError;

  constructor(apiError: ApiError) {
    super(apiError.message);
    this.apiError = apiError;
  }
}

const STATUS: Partial<Record<ErrorCode, number>> = {
  INPUT_INVALID: 400,
  PATH_INVALID: 400,
  QUERY_TIMEOUT: 503,
  BRIDGE_STOPPING: 503,
};

/** An error of the bridge, as OPA's clients expect it. */
export function apiErrorOf(error: BridgeError): ApiError {
  const status = STATUS[error.code] ?? 500;
  // OPA's words for what fails in an evaluation; which it was, `errors` says.
  const message =
    error.code === "EVALUATION_FAILED" ? "error(s) occurred while evaluating query" : error.message;
  return {
    status,
    code: status === 400 ? "invalid_parameter" : "internal_error",
    message,
    errors: [{ code: error.code, message: error.message }],
  };
}

/** The error of a request that can't be understood. */
export function invalidParameter(message: string, status = 400): ApiError {
  return { status, code: "invalid_parameter", message };
}

/** The error of a body over `server.decoding.max_length`, packed or unpacked. */
export const BODY_TOO_LARGE: ApiError = invalidParameter("request body too large", 413);
