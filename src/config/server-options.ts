/** The service: where it listens, who may ask, and how much at a time. */
export interface ServerOptions {
  /**
   * "host:port", "[::1]:port", or ":port" for every IPv4 address of the machine. Port 0: any free
   * one. Default "127.0.0.1:8181".
   */
  readonly addr?: string;
  /**
   * How callers show who they are: not at all, with a bearer token, or with a certificate (`tls`).
   * Default "off".
   */
  readonly authentication?: "off" | "token" | "tls";
  /**
   * Whether the policy is asked, for each request, if it may be answered (`basic`). Default "off".
   */
  readonly authorization?: "off" | "basic";
  /**
   * Path of a file with the tokens that are accepted: `TOKEN` or `IDENTITY TOKEN` on each line; read
   * again when it has changed. Without it, the authorization policy must judge tokens.
   */
  readonly token_file?: string;
  /** Serves HTTPS. The files are read again when they change; what can't be used leaves the last in use. */
  readonly tls?: {
    /** Path of the service's certificate (PEM). */
    readonly cert_file?: string;
    /** Path of its key (PEM). The two go together. */
    readonly private_key_file?: string;
    /** Path of the authority (PEM) of clients' certificates, for `authentication: tls`. */
    readonly ca_cert_file?: string;
  };
  /** Request bodies. */
  readonly decoding?: {
    /** The largest request body. Default "10MiB". */
    readonly max_length?: number | string;
    /** OPA's; has no effect here. */
    readonly gzip?: unknown;
  };
  /** How long a request may take to arrive, and an answer to be taken. Default "60s". */
  readonly request_timeout?: string;
  /** Requests at the same time; more are refused with 503. Default 1,000. */
  readonly max_concurrent_requests?: number;
  /** Connections at the same time; more are closed at once. Default 10,000. */
  readonly max_connections?: number;
  /** How long requests under way may take to finish at a shutdown. Default "10s". */
  readonly shutdown_grace_period?: string;
  /**
   * How long the service goes on, reporting that it isn't ready, before a shutdown. Default "0s".
   */
  readonly shutdown_wait_period?: string;
  /** Answers. */
  readonly encoding?: {
    /** When answers of the data API are packed, for clients that take that. */
    readonly gzip?: {
      /** The shortest answer that is packed, in bytes. Default 1,024. */
      readonly min_length?: number;
      /** zlib's level, 1 to 9. Default 9. */
      readonly compression_level?: number;
    };
  };
  /** OPA's; has no effect here. */
  readonly metrics?: unknown;
}
