import { connect, Events, type NatsConnection } from "nats";
import { deferred, sleep } from "../common/async.ts";
import { Backoff } from "../common/backoff.ts";
import { type Logger, silentLogger } from "../common/logger.ts";
import { BridgeError, messageOf } from "../errors.ts";
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
  readonly #gaveUp = deferred<BridgeError>();
  #state: ConnectionState = "connecting";
  #changed = deferred();
  #connection: NatsConnection | undefined;
  #lastError: string | undefined;
  #reconnects = 0;

  constructor(settings: NatsSettings, logger: Logger = silentLogger) {
    this.#settings = settings;
    this.#logger = logger;
  }

  /**
   * Resolves when connected, or at once with `retryOnFailedConnect`. Rejects with `NATS_UNREACHABLE`,
   * `NATS_AUTH` or `NATS_CREDENTIALS`.
   */
  async start(): Promise<void> {
    const options = this.#options();
    if (this.#settings.retryOnFailedConnect) {
      void this.#connectForever(options);
      return;
    }
    try {
      this.#connected(await connect(options));
    } catch (error) {
      throw connectionError(error, this.#settings.servers);
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

  /** The connection, as soon as it is up; rejects with `NATS_CLOSED` when it will never be. */
  async connection(): Promise<NatsConnection> {
    while (this.#connection === undefined || this.#state !== "connected") {
      if (this.#state === "failed" || this.#state === "closed") throw this.#closedError();
      await this.#changed.promise;
    }
    return this.#connection;
  }

  /** Calls the listener after each reconnect; the answer ends that. */
  onReconnect(listener: () => void): () => void {
    this.#reconnected.add(listener);
    return () => void this.#reconnected.delete(listener);
  }

  /** How long a request may take, in milliseconds. */
  get timeoutMs(): number {
    return this.#settings.connectTimeoutMs;
  }

  /** Closes the connection. Safe in any state, any number of times. */
  async close(): Promise<void> {
    this.#stop.abort();
    if (this.#state !== "failed") this.#enter("closed");
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
        const connection = await connect(options);
        if (signal.aborted) await connection.close();
        else this.#connected(connection);
        return;
      } catch (error) {
        const known = connectionError(error, this.#settings.servers);
        const retryMs = Math.round(backoff.next());
        this.#lastError = known.message;
        this.#logger.warn({ code: known.code, retryMs }, known.message);
        await sleep(retryMs, signal);
      }
    }
  }

  #connected(connection: NatsConnection): void {
    this.#connection = connection;
    this.#enter("connected");
    this.#logger.info({ server: connection.getServer() }, "connected to NATS");
    void this.#follow(connection);
    void connection.closed().then((error) => this.#closed(error));
  }

  async #follow(connection: NatsConnection): Promise<void> {
    for await (const { type, data } of connection.status()) {
      if (this.#stop.signal.aborted) return;
      const what = typeof data === "string" ? data : JSON.stringify(data);
      if (type === Events.Disconnect) {
        this.#enter("disconnected");
        this.#logger.warn({ server: what }, "disconnected from NATS");
      } else if (type === Events.Reconnect) {
        this.#enter("connected");
        this.#reconnects++;
        this.#logger.info({ server: what }, "reconnected to NATS");
        for (const listener of this.#reconnected) listener();
      } else if (type === Events.Error) {
        this.#lastError = what;
        this.#logger.warn({ error: what }, "NATS reports an error");
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
    this.#enter("failed");
    this.#lastError = error === undefined ? "closed by the client library" : messageOf(error);
    this.#gaveUp.resolve(this.#closedError(error));
    this.#logger.error({ error: this.#lastError }, "the connection to NATS has been given up");
  }

  #closedError(cause?: unknown): BridgeError {
    const reason =
      this.#state === "failed"
        ? `has been given up (${this.#lastError}); raise plugins.nats.max_reconnect_attempts, or set -1 to never give up`
        : "is closed";
    return new BridgeError("NATS_CLOSED", `The connection to NATS ${reason}.`, { cause });
  }
}
