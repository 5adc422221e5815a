import { BridgeError } from "../errors.ts";

/** A bundle can't be had from where it is kept. */
export class DownloadError extends BridgeError {
  /** The status of the service's answer; absent where there was none. */
  readonly httpStatus: number | undefined;

  constructor(message: string, httpStatus?: number, options?: { cause?: unknown }) {
    super("BUNDLE_DOWNLOAD", message, options);
    this.httpStatus = httpStatus;
  }
}
