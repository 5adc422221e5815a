import { Events, type NatsConnection } from "nats";
import { deferred } from "../common/async.ts";
import { type Logger, silentLogger } from "../common/logger.ts";
import { BridgeError, isBridgeError, messageOf, quote } from "../errors.ts";
import { Dialer, type DialSettings } from "./dialer.ts";
import { Knocker } from "./knock.ts";
import { Recovery } from "./recovery.ts";

/** Of a {@link NatsLink}. Times are milliseconds. */
export interface NatsSettings extends DialSettings {
  /** Attempts in a row without a lasting connection before giving up for good; -1: never give up, 0: never reconnect. */
  readonly maxReconnectAttempts: number;
  /** The base of the first wait between two attempts; each further one is twice as long. Half of each is random. */
  readonly reconnectWaitMs: number;
  /** No wait is longer. Default 30,000. */
  readonly reconnectMaxWaitMs?: number;
  /** During a longer wait, how often it is looked whether a server is back; 0: never. Default 1,000. */
  readonly reconnectProbeMs?: number;
  /** Keep trying when no server answers at the start, instead of failing. */
  readonly retryOnFailedConnect: boolean;
}

/** What an operator may see of a connection; no secrets. */
export interface LinkStatus {
  /** How it stands with it now. */
  readonly state: ConnectionState;
  /** `host:port` of the server; absent while there is none. */
  readonly server?: string;
  /** How many times a connection that was lost was made again. */
  readonly reconnects: number;
  /** Attempts in a row that have failed; absent while it is connected. */
  readonly failedAttempts?: number;
  /** What went wrong last; absent where nothing has since the connection was made. */
  readonly lastError?: string;
}

/** `closed` after `close()`, `failed` when the connection has been given up. */
export type ConnectionState = "connecting" | "connected" | "disconnected" | "failed" | "closed";

/** A connection that did not last this long counts as a failure: whatever ends it will most likely do so again. */
const SUSTAINED_MS = 5_000;

/**
 * The connection to NATS: makes it, makes another whenever one is lost, and tells when it has done so.
 *
 * The client library's own reconnecting is off. It knows only the servers that it was given at the start, takes a
 * server that accepts and closes for a success, and gives up on credentials that may be given back. Here every
 * attempt is a new connection, from the servers and credentials of that moment.
 */
export class NatsLink {
  readonly #settings: NatsSettings;
  readonly #logger: Logger;
  readonly #dialer: Dialer;
  readonly #knocker: Knocker;
  readonly #recovery: Recovery;
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
    const probeMs = settings.reconnectProbeMs ?? 1_000;
    this.#knocker = new Knocker(probeMs);
    this.#settings = settings;
    this.#logger = logger;
    this.#dialer = new Dialer(settings);
    this.#recovery = new Recovery({
      attempt: (signal) => this.#attempt(signal),
      maxFailures: settings.maxReconnectAttempts,
      minWaitMs: settings.reconnectWaitMs,
      maxWaitMs: settings.reconnectMaxWaitMs ?? 30_000,
      onFailure: (error, waitMs) => this.#failedAttempt(error, waitMs),
      onGiveUp: (error) => this.#giveUp(error),
      ...(probeMs > 0 && { wake: (signal) => this.#knocker.opened(this.#dialer.servers, signal) }),
    });
  }

  /**
   * Resolves when connected, or at once with `retryOnFailedConnect`. Rejects with `NATS_UNREACHABLE`, `NATS_AUTH`,
   * `NATS_SERVERS` or `NATS_CREDENTIALS` (this with `retryOnFailedConnect` too), or with `NATS_CLOSED` when `close()`
   * was called.
   */
  async start(): Promise<void> {
    const { signal } = this.#stop;
    if (signal.aborted) throw this.#failure!;
    try {
      await this.#dialer.check();
      if (this.#settings.retryOnFailedConnect) this.#recovery.begin();
      else await this.#attempt(signal);
    } catch (error) {
      throw signal.aborted ? this.#failure! : this.#failed(error as BridgeError);
    }
  }

  /** One attempt to connect, now, and whether there is a connection then. Does nothing where one stands. */
  recover(): Promise<boolean> {
    return this.#recovery.step();
  }

  /** How it stands with the connection now. */
  get state(): ConnectionState {
    return this.#state;
  }

  /** What an operator may see of the connection; no secrets. */
  status(): LinkStatus {
    const up = this.#state === "connected";
    const server = up ? this.#connection?.getServer() : undefined;
    return {
      state: this.#state,
      reconnects: this.#reconnects,
      ...(!up && { failedAttempts: this.#recovery.failures }),
      ...(server !== undefined && { server }),
      ...(this.#lastError !== undefined && { lastError: this.#lastError }),
    };
  }

  /** Resolves when the connection has been given up for good (never on `close()`). */
  get gaveUp(): Promise<BridgeError> {
    return this.#gaveUp.promise;
  }

  /**
   * The connection, as soon as it is up; rejects when it will never be: with `start()`'s error, or `NATS_CLOSED`.
   *
   * @internal The client library is this folder's affair; users of the package see neither it nor its types.
   */
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
    this.#recovery.stop();
    if (this.#state !== "failed" && this.#state !== "closed") {
      this.#failure = new BridgeError("NATS_CLOSED", "The connection to NATS is closed.");
      this.#enter("closed");
    }
    await this.#connection?.close();
  }

  async #attempt(signal: AbortSignal): Promise<void> {
    if (this.#state === "connected") return;
    const connection = await this.#dialer.dial(signal, (server) => this.#knocker.missed(server));
    if (this.#stop.signal.aborted) await connection.close();
    else this.#connected(connection);
  }

  #connected(connection: NatsConnection): void {
    const again = this.#connection !== undefined;
    const since = performance.now();
    const server = connection.getServer();
    this.#connection = connection;
    this.#knocker.connected();
    // What kept it from being made is over.
    this.#lastError = undefined;
    this.#enter("connected");
    void this.#follow(connection);
    void connection.closed().then((error) => {
      this.#lost(server, error, performance.now() - since >= SUSTAINED_MS);
    });
    this.#logger.info({ server }, again ? "reconnected to NATS" : "connected to NATS");
    if (!again) return;
    this.#reconnects++;
    this.#tell(this.#reconnected, undefined);
  }

  #lost(server: string, error: void | Error, sustained: boolean): void {
    if (this.#stop.signal.aborted) return;
    this.#enter("disconnected");
    this.#logger.warn({ server }, "disconnected from NATS");
    const reason = error ?? new Error("the server closed the connection");
    this.#recovery.lost(reason, sustained);
  }

  /** Listens to what the library has to say about the connection, until its end. */
  async #follow(connection: NatsConnection): Promise<void> {
    for await (const { type, data, permissionContext } of connection.status()) {
      if (this.#stop.signal.aborted) return;
      if (type === Events.Update) this.#dialer.hear(connection);
      if (type !== Events.Error) continue;
      const what = typeof data === "string" ? data : JSON.stringify(data);
      const { operation, subject } = permissionContext ?? {};
      const error = subject === undefined ? what : `${what}: ${operation} on ${quote(subject)}`;
      this.#lastError = error;
      this.#logger.warn({ error }, "NATS reports an error");
      if (subject !== undefined) this.#tell(this.#denied, subject);
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

  #failedAttempt(error: unknown, retryMs: number): void {
    const message = messageOf(error);
    this.#lastError = message;
    this.#logger.warn({ ...(isBridgeError(error) && { code: error.code }), retryMs }, message);
  }

  #giveUp(error: unknown): void {
    const failure = this.#failed(
      new BridgeError(
        "NATS_CLOSED",
        `The connection to NATS has been given up after ${this.#recovery.failures} attempts in a row (${messageOf(error)}); raise plugins.nats.max_reconnect_attempts, or set -1 to never give up.`,
        { cause: error },
      ),
    );
    this.#logger.error({ error: messageOf(error) }, "the connection to NATS has been given up");
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
