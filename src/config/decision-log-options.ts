/** A service that bundles come from, or decisions are uploaded to. Other ways of OPA to authenticate are refused there. */
export interface ServiceOptions {
  /** Where `services` is a list; in an object its key is its name. */
  readonly name?: string;
  /** `http://` or `https://`, without credentials. */
  readonly url: string;
  /** Sent with every request. Default: none. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Default 10. */
  readonly response_header_timeout_seconds?: number;
  /** Accept any certificate. Default false. */
  readonly allow_insecure_tls?: boolean;
  /** How the service shows who it is. Default: a certificate of an authority that Node knows. */
  readonly tls?: {
    /** Path of the authority (PEM) that the service's certificate is checked with. */
    readonly ca_cert?: string;
    /** Whether the authorities that Node knows count beside `ca_cert`. Default false. */
    readonly system_ca_required?: boolean;
  };
  /** One of the two, both, or none. Files are read anew for each request. */
  readonly credentials?: {
    /** A bearer token: in place, or in a file. */
    readonly bearer?: {
      /** Default "Bearer". */
      readonly scheme?: string;
      /** The token itself, in place of `token_path`. */
      readonly token?: string;
      /** Path of a file that holds the token. */
      readonly token_path?: string;
    };
    /** A client certificate. */
    readonly client_tls?: {
      /** Path of the certificate (PEM). */
      readonly cert?: string;
      /** Path of its key (PEM). */
      readonly private_key?: string;
      /** What the key is encrypted with. Default: it is not. */
      readonly private_key_passphrase?: string;
      /** OPA's; has no effect here, as the files are read for each request. */
      readonly cert_reread_interval_seconds?: number;
      /** OPA's older place of `tls.ca_cert`, which comes first. */
      readonly ca_cert?: string;
      /** OPA's older place of `tls.system_ca_required`. */
      readonly system_ca_required?: boolean;
    };
  };
}

/** OPA's decision log. It is on when it has somewhere to go: `console`, `service`, or `nats`. */
export interface DecisionLogOptions {
  /** Write each decision to standard output, as one line of JSON. Default false. */
  readonly console?: boolean;
  /**
   * Upload decisions to the service of this name; where none is named, to the first of `services`,
   * unless `console` is on or `nats` is given.
   */
  readonly service?: string;
  /** Publish each decision on this subject of the NATS connection, which a stream must keep. */
  readonly nats?: {
    /** Where to publish; one message for each decision. */
    readonly subject?: string;
  };
  /** The service's path that is posted to. Default "/logs". */
  readonly resource?: string;
  /** OPA's older way to write the resource "/logs/<partition_name>". */
  readonly partition_name?: string;
  /** The decision that says what of an event is masked. Default "/system/log/mask". */
  readonly mask_decision?: string;
  /** The decision that says whether an event is dropped. Default "/system/log/drop". */
  readonly drop_decision?: string;
  /**
   * Events show what builtins that are not deterministic answered (`time.now_ns`, `rand.intn`, `nats.kv.get_data`, …),
   * up to 32 KiB. Also on with OPA's `nd_builtin_cache` at the top. Default false.
   */
  readonly nd_builtin_cache?: boolean;
  /** Headers of the request that events show; nothing else of them is recorded. Default []. */
  readonly request_context?: {
    /** What of an HTTP request events show. */
    readonly http?: {
      /** Names of headers. Default []. */
      readonly headers?: readonly string[];
    };
  };
  /** When events go out, and how many may wait for it. */
  readonly reporting?: ReportingOptions;
}

/**
 * When decisions are uploaded, and how many may wait for it. The oldest are dropped, and counted, when
 * more would have to wait.
 */
export interface ReportingOptions {
  /**
   * "periodic": after a random time between the delays, or once the buffer is half full. "immediate":
   * at once. Default "periodic".
   */
  readonly trigger?: "periodic" | "immediate";
  /** Given together with `max_delay_seconds`; 300 where neither is. */
  readonly min_delay_seconds?: number;
  /** 600 where neither is given. */
  readonly max_delay_seconds?: number;
  /** The most of one upload, packed. Default 32768. */
  readonly upload_size_limit_bytes?: number | string;
  /** "size" or "event": whether bytes or events are counted by default. Default "size". */
  readonly buffer_type?: "size" | "event";
  /** Default "64MiB" (OPA: without a limit). */
  readonly buffer_size_limit_bytes?: number | string;
  /** Default 10,000 for the buffer type "event", otherwise 1,000,000. */
  readonly buffer_size_limit_events?: number;
  /** More than this are dropped, and counted; no limit where it is absent. */
  readonly max_decisions_per_second?: number;
}
