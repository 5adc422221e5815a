import { connect, Events, type NatsConnection } from "nats";
import { deferred, sleep } from "../common/async.ts";
import { Backoff } from "../common/backoff.ts";
import { type Logger, silentLogger } from "../common/logger.ts";
import { BridgeError, messageOf, quote } from "../errors.ts";
import { authenticatorOf, type NatsAuth, type NatsTls, tlsOptionsOf } from "./credentials.ts";
import { connectionError } from "./errors.ts";

export interface NatsSettings {
  /** Addresses such as `nats://host:4222` or `tls://host:4222`, without userinfo. */
  readonly servers: readonly string[];
  /** The connection's name, as `nats server report connections` shows it. */
  readonly name: string;
  readonly auth: NatsAuth;
  readonly tls?: NatsTls | undefined;
  /** How long one connect attempt and one JetStream request may take, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** Reconnect attempts for each server before giving up for good; -1: never give up. */
  readonly maxReconnectAttempts: number;
  readonly reconnectWaitMs: number;
  /** Keep trying when no server answers at the start, instead of failing. */
  readonly retryOnFailedConnect: boolean;
}

/** `closed` after `close()`, `failed` when the connection has been given up. */
export type ConnectionState = "connecting" | "connected" | "disconnected" | "failed" | "closed";

// A dead server or a half-open socket is noticed after at most three intervals.
const PING_INTERVAL_MS = 5_000;

/** The one connection to NATS: connects, reconnects, and tells when it has done so. */
export class NatsLink {
  readonly #settings: NatsSettings;
  readonly #logger: Logger;
  readonly #stop = new AbortController();
  readonly #reconnected = new Set<() => void>();
  readonly #denied = new Set<(subject: string) => void>();
  readonly #gaveUp = deferred<BridgeError>();
  #state: ConnectionState = "connecting";
  #changed = deferred();
  #connection: NatsConnection | undefined;
  #lastError: string | undefined;
  #failure: BridgeError | undefined;
  #reconnects = 0;

  constructor(settings: NatsSettings, logger: Logger = silentLogger) {
    this.#settings = settings;
    this.#logger = logger;
  }

  /**
   * Resolves when connected, or at once with `retryOnFailedConnect`. Rejects with `NATS_UNREACHABLE`,
   * `NATS_AUTH` or `NATS_CREDENTIALS`, or with `NATS_CLOSED` when `close()` was called.
   */
  async start(): Promise<void> {
    if (this.#stop.signal.aborted) throw this.#failure!;
    try {
      const options = this.#options();
      if (this.#settings.retryOnFailedConnect) void this.#connectForever(options);
      else await this.#dial(options);
    } catch (error) {
      throw this.#failed(this.#explain(error));
    }
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** What an operator may see of the connection; no secrets. */
  status(): { state: ConnectionState; server?: string; reconnects: number; lastError?: string } {
    const server = this.#state === "connected" ? this.#connection?.getServer() : undefined;
    return {
      state: this.#state,
      reconnects: this.#reconnects,
      ...(server !== undefined && { server }),
      ...(this.#lastError !== undefined && { lastError: this.#lastError }),
    };
  }

  /** Resolves when the connection has been given up for good (never on `close()`). */
  get gaveUp(): Promise<BridgeError> {
    return this.#gaveUp.promise;
  }

  /** The connection, as soon as it is up; rejects when it will never be: with `start()`'s error, or `NATS_CLOSED`. */
  async connection(): Promise<NatsConnection> {
    while (this.#connection === undefined || this.#state !== "connected") {
      if (this.#state === "failed" || this.#state === "closed") throw this.#failure!;
      await this.#changed.promise;
    }
    return this.#connection;
  }

  /** Calls the listener after each reconnect; the answer ends that. */
  onReconnect(listener: () => void): () => void {
    this.#reconnected.add(listener);
    return () => void this.#reconnected.delete(listener);
  }

  /** Calls the listener with each subject that the user may not publish to, or subscribe to; the answer ends that. */
  onDenied(listener: (subject: string) => void): () => void {
    this.#denied.add(listener);
    return () => void this.#denied.delete(listener);
  }

  /** How long a request may take, in milliseconds. */
  get timeoutMs(): number {
    return this.#settings.connectTimeoutMs;
  }

  /** Closes the connection. Safe in any state, any number of times. */
  async close(): Promise<void> {
    this.#stop.abort();
    if (this.#state !== "failed" && this.#state !== "closed") {
      this.#failure = new BridgeError("NATS_CLOSED", "The connection to NATS is closed.");
      this.#enter("closed");
    }
    await this.#connection?.close();
  }

  #options(): Parameters<typeof connect>[0] {
    const { servers, name, auth, tls, connectTimeoutMs, maxReconnectAttempts, reconnectWaitMs } =
      this.#settings;
    const authenticator = authenticatorOf(auth);
    const secure = tls !== undefined || servers.some((server) => server.startsWith("tls://"));
    return {
      servers: servers.map((server) => server.replace(/^tls:/, "nats:")),
      name,
      timeout: connectTimeoutMs,
      maxReconnectAttempts,
      reconnectTimeWait: reconnectWaitMs,
      reconnectJitter: reconnectWaitMs / 2,
      reconnectJitterTLS: reconnectWaitMs,
      pingInterval: PING_INTERVAL_MS,
      maxPingOut: 2,
      // Credentials that are revoked now may be given back; the client's default is to close for good.
      ignoreAuthErrorAbort: true,
      ...(authenticator !== undefined && { authenticator }),
      ...(secure && { tls: tlsOptionsOf(tls ?? {}) }),
    };
  }

  async #connectForever(options: Parameters<typeof connect>[0]): Promise<void> {
    const backoff = new Backoff();
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#dial(options);
        return;
      } catch (error) {
        if (signal.aborted) return;
        const known = this.#explain(error);
        const retryMs = Math.round(backoff.next());
        this.#lastError = known.message;
        this.#logger.warn({ code: known.code, retryMs }, known.message);
        await sleep(retryMs, signal);
      }
    }
  }

  #explain(error: unknown): BridgeError {
    const { servers, tls } = this.#settings;
    return connectionError(error, servers, tls !== undefined && tls.certFile === undefined);
  }

  /** Connects; `close()` ends the wait for it, and what comes after that is closed. */
  async #dial(options: Parameters<typeof connect>[0]): Promise<void> {
    const { signal } = this.#stop;
    const waited = deferred<undefined>();
    const stop = (): void => waited.resolve(undefined);
    signal.addEventListener("abort", stop, { once: true });
    const dialing = connect(options);
    try {
      const connection = await Promise.race([dialing, waited.promise]);
      if (connection !== undefined && !signal.aborted) {
        this.#connected(connection);
        return;
      }
    } finally {
      signal.removeEventListener("abort", stop);
    }
    void dialing.then(
      (late) => late.close(),
      () => undefined,
    );
    throw this.#failure!;
  }

  #connected(connection: NatsConnection): void {
    this.#connection = connection;
    this.#enter("connected");
    this.#logger.info({ server: connection.getServer() }, "connected to NATS");
    void this.#follow(connection);
    void connection.closed().then((error) => this.#closed(error));
  }

  async #follow(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (this.#stop.signal.aborted) return;
      const { type, data } = status;
      const what = typeof data === "string" ? data : JSON.stringify(data);
      if (type === Events.Disconnect) {
        this.#enter("disconnected");
        this.#logger.warn({ server: what }, "disconnected from NATS");
      } else if (type === Events.Reconnect) {
        this.#enter("connected");
        this.#reconnects++;
        this.#logger.info({ server: what }, "reconnected to NATS");
        this.#tell(this.#reconnected, undefined);
      } else if (type === Events.Error) {
        const { operation, subject } = status.permissionContext ?? {};
        const error = subject === undefined ? what : `${what}: ${operation} on ${quote(subject)}`;
        this.#lastError = error;
        this.#logger.warn({ error }, "NATS reports an error");
        if (subject !== undefined) this.#tell(this.#denied, subject);
      }
    }
  }

  /** What one listener throws must not keep the others, nor what comes later, from being heard. */
  #tell<T>(listeners: Iterable<(value: T) => void>, value: T): void {
    for (const listener of listeners) {
      try {
        listener(value);
      } catch (error) {
        this.#logger.error({ error: messageOf(error) }, "a listener of the connection failed");
      }
    }
  }

  #enter(state: ConnectionState): void {
    this.#state = state;
    this.#changed.resolve();
    this.#changed = deferred();
  }

  #closed(error: void | Error): void {
    if (this.#stop.signal.aborted) return;
    const reason = error === undefined ? "closed by the client library" : messageOf(error);
    const failure = this.#failed(
      new BridgeError(
        "NATS_CLOSED",
        `The connection to NATS has been given up (${reason}); raise plugins.nats.max_reconnect_attempts, or set -1 to never give up.`,
        { cause: error },
      ),
    );
    this.#logger.error({ error: reason }, "the connection to NATS has been given up");
    this.#gaveUp.resolve(failure);
  }

  #failed(failure: BridgeError): BridgeError {
    if (this.#state === "closed") return failure;
    this.#failure = failure;
    this.#lastError = failure.message;
    this.#enter("failed");
    return failure;
  }
}
