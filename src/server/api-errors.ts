import type { BridgeError, ErrorCode } from "../errors.ts";

/** OPA's error body. `errors` names the bridge's own code. */
export interface ApiError {
  readonly status: number;
  readonly code:
    | "internal_error"
    | "evaluation_error"
    | "unauthorized"
    | "invalid_parameter"
    | "resource_not_found"
    | "undefined_document";
  readonly message: string;
  readonly errors?: readonly { readonly code: string; readonly message: string }[];
}

const STATUS: Partial<Record<ErrorCode, [status: number, code: ApiError["code"]]>> = {
  INPUT_INVALID: [400, "invalid_parameter"],
  PATH_INVALID: [400, "invalid_parameter"],
  EVALUATION_FAILED: [500, "evaluation_error"],
  QUERY_TIMEOUT: [503, "internal_error"],
  BRIDGE_STOPPING: [503, "internal_error"],
};

/** An error of the bridge, as OPA's clients expect it. */
export function apiErrorOf(error: BridgeError): ApiError {
  const [status, code] = STATUS[error.code] ?? [500, "internal_error"];
  const details = [{ code: error.code, message: error.message }];
  if (code === "evaluation_error") {
    return { status, code, message: "error(s) occurred while evaluating query", errors: details };
  }
  return { status, code, message: error.message, errors: details };
}

/** The error of a request that can't be understood. */
export function invalidParameter(message: string): ApiError {
  return { status: 400, code: "invalid_parameter", message };
}
