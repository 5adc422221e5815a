/**
 * A bundle, in OPA's own form. Where it comes from: `file`, or `resource` with one of `file://`, `nats://` and a path
 * below the URL of `service`.
 */
export interface BundleOptions {
  /** Path of a bundle (`.tar.gz`), of a WebAssembly module, or of a folder with a bundle's files. It is watched. */
  readonly file?: string;
  /**
   * `file:///path`: the same as `file`. `nats://STORE/OBJECT`: an object of a NATS object store, which is watched.
   * Otherwise what to ask `service` for; default "bundles/NAME".
   */
  readonly resource?: string;
  /** One of `services`; default: the first one. */
  readonly service?: string;
  /** How often a service is asked. */
  readonly polling?: {
    /** Each pause is a random time between the two. Default 60. */
    readonly min_delay_seconds?: number;
    /** Default 120. */
    readonly max_delay_seconds?: number;
    /** Ask the service to answer only when there is something new, or after so long. Default: it isn't asked to. */
    readonly long_polling_timeout_seconds?: number;
  };
  /** Keep the last good bundle on disk, and begin with it. Not for files and folders, which are there already. Default false. */
  readonly persist?: boolean;
  /** The most bytes of the bundle, packed and unpacked. Default "256MiB". */
  readonly size_limit_bytes?: number | string;
  /** Take only bundles with a signature of this kind. Default: unsigned bundles only. */
  readonly signing?: {
    /** One of `keys`. Default: the one that the signature names. */
    readonly keyid?: string;
    /** The scope that the signature must name. Default: that of the key. */
    readonly scope?: string;
    /** Patterns of paths that need not be signed, as of Go's `filepath.Match`. */
    readonly exclude_files?: readonly string[];
  };
  /** OPA's; has no effect here. */
  readonly trigger?: unknown;
}

/** A key that bundles are signed with. Give `key` or `key_file`. */
export interface KeyOptions {
  /** The public key (PEM), or the secret of HS256. */
  readonly key?: string;
  /** Path of a file with it. */
  readonly key_file?: string;
  /** RS256, RS384, RS512, and so for PS, ES and HS. Default "RS256". */
  readonly algorithm?: string;
  /** The scope that signatures by this key must name. Default: none. */
  readonly scope?: string;
}
