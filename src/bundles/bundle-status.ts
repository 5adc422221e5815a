/** A bundle, as OPA's status API shows it, and some more. Times are RFC 3339. */
export interface BundleStatus {
  readonly name: string;
  /** Absent until the first activation. */
  readonly active_revision?: string;
  /** Where the active one comes from: its source, the disk (`persist`), or a rollback. */
  readonly active_from?: BundleOrigin;
  /** Of the one that a rollback goes back to, where there is one. */
  readonly previous_revision?: string;
  readonly last_request?: string;
  readonly last_successful_request?: string;
  readonly last_successful_download?: string;
  readonly last_successful_activation?: string;
  /** Bytes of the active bundle, packed. */
  readonly size?: number;
  /** `bundle_error` while the last attempt has failed; what is active goes on. */
  readonly code?: "bundle_error";
  readonly message?: string;
  readonly errors?: readonly { readonly code: string; readonly message: string }[];
  /** The status that the service answered with, when that was why. */
  readonly http_code?: string;
  /** Why the bundle could not be kept on disk. */
  readonly persist_error?: string;
  readonly activations: number;
  readonly failures: number;
}

export type BundleOrigin = "source" | "disk" | "rollback";
