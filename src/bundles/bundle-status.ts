/** A bundle, as OPA's status API shows it, and some more. Times are RFC 3339. */
export interface BundleStatus {
  /** Its name in the configuration. */
  readonly name: string;
  /** Absent until the first activation. */
  readonly active_revision?: string;
  /** Where the active one comes from: its source, the disk (`persist`), or a rollback. */
  readonly active_from?: BundleOrigin;
  /** Of the one that a rollback goes back to, where there is one. */
  readonly previous_revision?: string;
  /** When its source was asked last. */
  readonly last_request?: string;
  /** When its source has answered last, with a bundle or with "nothing new". */
  readonly last_successful_request?: string;
  /** When a bundle was had from its source last. */
  readonly last_successful_download?: string;
  /** When one was activated last. */
  readonly last_successful_activation?: string;
  /** Bytes of the active bundle, packed. */
  readonly size?: number;
  /** `bundle_error` while the last attempt has failed; what is active goes on. */
  readonly code?: "bundle_error";
  /** Why the last attempt has failed; absent where it has not. */
  readonly message?: string;
  /** The same, as OPA lists it. */
  readonly errors?: readonly BundleError[];
  /** The status that the service answered with, when that was why. */
  readonly http_code?: string;
  /** Why the bundle could not be kept on disk. */
  readonly persist_error?: string;
  /** How many were activated since the start. */
  readonly activations: number;
  /** How many attempts have failed since the start. */
  readonly failures: number;
}

/** Why a bundle could not be had or activated. */
export interface BundleError {
  /** One of the bridge's codes. */
  readonly code: string;
  /** What is wrong, and the remedy. */
  readonly message: string;
}

/** Where the active bundle comes from: its source, the disk (`persist`), or a rollback. */
export type BundleOrigin = "source" | "disk" | "rollback";
