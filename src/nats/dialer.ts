import { isIP } from "node:net";
import { isDeepStrictEqual } from "node:util";
import { type Authenticator, connect, ErrorCode, type NatsConnection, type TlsOptions } from "nats";
import { deferred, within } from "../common/async.ts";
import { BridgeError, isBridgeError, messageOf } from "../errors.ts";
import { authenticatorOf, type NatsAuth, type NatsTls, tlsOptionsOf } from "./credentials.ts";
import { connectionError } from "./errors.ts";
import { closingSockets } from "./opened-sockets.ts";

/** A value that may change, asked for anew at every attempt to connect. */
export type Current<T> = T | (() => T | Promise<T>);

/** Where and how to connect. */
export interface DialSettings {
  /** Where to connect to: `nats://host:4222` or `tls://host:4222`, with the port, without userinfo. */
  readonly servers: Current<readonly string[]>;
  /** The connection's name, as `nats server report connections` shows it. */
  readonly name: string;
  /** How to show who one is. */
  readonly auth: Current<NatsAuth>;
  /** Absent: TLS only where a server asks for it or its address is `tls://`. */
  readonly tls?: NatsTls | undefined;
  /** How long one connect attempt and one JetStream request may take, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** Also try the other servers of the cluster, which each server names. Default true. */
  readonly discoverServers?: boolean | undefined;
}

/** Told of each server at which nobody was met. */
export type OnMissed = (server: string) => void;

// A dead server or a half-open socket is noticed after at most three intervals.
const PING_INTERVAL_MS = 5_000;
type Options = NonNullable<Parameters<typeof connect>[0]>;

/**
 * Makes connections, each from what is configured at that moment and what the last server told of its cluster.
 *
 * @internal
 */
export class Dialer {
  readonly #settings: DialSettings;
  #servers: readonly string[] = [];
  #auth: NatsAuth | undefined;
  /** Kept while the credentials are the same: it remembers what a `.creds` file last held. */
  #authenticator: Authenticator | undefined;
  /** Of the last connection: its cluster, and what to call its servers when their certificates are checked. */
  #cluster: { readonly servers: readonly string[]; readonly tlsName: string | undefined } = {
    servers: [],
    tlsName: undefined,
  };

  constructor(settings: DialSettings) {
    this.#settings = settings;
  }

  /** What was dialed at the last attempt. */
  get servers(): readonly string[] {
    return [...new Set([...this.#servers, ...this.#cluster.servers])];
  }

  /** Throws `NATS_CREDENTIALS` where what is configured can't be used. */
  async check(): Promise<void> {
    await this.#authenticate();
    tlsOptionsOf(this.#settings.tls ?? {});
  }

  /**
   * Connects to the first server that lets it. Rejects with `NATS_UNREACHABLE`, `NATS_AUTH`, `NATS_CREDENTIALS` or
   * `NATS_SERVERS`, or with `NATS_CLOSED` as soon as the signal aborts; what comes after that is closed.
   */
  async dial(signal: AbortSignal, onMissed?: OnMissed): Promise<NatsConnection> {
    const { tls } = this.#settings;
    const unread = await this.#refresh();
    let problem: unknown = new BridgeError(
      "NATS_SERVERS",
      "The list of NATS servers is empty; put an address such as nats://host:4222 into it.",
    );
    const seeds = new Set(shuffled(this.#servers));
    for (const server of new Set([...seeds, ...this.#cluster.servers])) {
      try {
        const connection = await this.#connect(server, seeds.has(server), signal);
        this.#learn(connection, server, seeds.has(server));
        return connection;
      } catch (error) {
        if (isBridgeError(error, "NATS_CLOSED")) throw error;
        problem = error;
        if (isSilence(error)) onMissed?.(server);
      }
    }
    const anonymous = tls !== undefined && tls.certFile === undefined;
    throw unread ?? connectionError(problem, this.servers, anonymous);
  }

  /** What can't be had now leaves the last in use; the answer is what an operator must know of that. */
  async #refresh(): Promise<BridgeError | undefined> {
    const { servers, connectTimeoutMs } = this.#settings;
    try {
      await this.#authenticate();
    } catch (error) {
      if (this.#auth === undefined) throw error;
    }
    try {
      const asked = Promise.resolve(current(servers));
      this.#servers = await within(connectTimeoutMs, asked, () => new Error("no answer in time"));
      return undefined;
    } catch (error) {
      if (isBridgeError(error)) return error;
      const message = `The list of NATS servers can't be had: ${messageOf(error)}.`;
      return new BridgeError("NATS_SERVERS", message, { cause: error });
    }
  }

  async #authenticate(): Promise<void> {
    const auth = await current(this.#settings.auth);
    if (isDeepStrictEqual(auth, this.#auth)) return;
    this.#authenticator = authenticatorOf(auth);
    this.#auth = auth;
  }

  async #connect(server: string, isSeed: boolean, signal: AbortSignal): Promise<NatsConnection> {
    const stopped = deferred<undefined>();
    const stop = (): void => stopped.resolve(undefined);
    if (signal.aborted) throw closedError();
    signal.addEventListener("abort", stop, { once: true });
    const dialing = closingSockets(signal, () => connect(this.#options(server, isSeed)));
    try {
      const connection = await Promise.race([dialing, stopped.promise]);
      if (connection !== undefined && !signal.aborted) return connection;
    } finally {
      signal.removeEventListener("abort", stop);
    }
    void dialing.then(
      (late) => late.close(),
      () => undefined,
    );
    throw closedError();
  }

  #options(server: string, isSeed: boolean): Options {
    const { name, tls, connectTimeoutMs, discoverServers } = this.#settings;
    const authenticator = this.#authenticator;
    // Servers that are told of by address have the certificate of the name that led to them.
    const servername = isSeed ? undefined : this.#cluster.tlsName;
    const secure = tls !== undefined || server.startsWith("tls:") || servername !== undefined;
    const tlsOptions: TlsOptions & { servername?: string } = {
      ...(secure && tlsOptionsOf(tls ?? {})),
      ...(servername !== undefined && { servername }),
    };
    return {
      servers: [server.replace(/^tls:/, "nats:")],
      name,
      timeout: connectTimeoutMs,
      // What comes after the end of a connection is decided in one place, and that is not the library.
      reconnect: false,
      ignoreClusterUpdates: discoverServers === false,
      pingInterval: PING_INTERVAL_MS,
      maxPingOut: 2,
      ...(authenticator !== undefined && { authenticator }),
      ...(secure && { tls: tlsOptions }),
    };
  }

  #learn(connection: NatsConnection, server: string, isSeed: boolean): void {
    const { tls_required: required, tls_available: available } = connection.info ?? {};
    const { hostname } = new URL(server);
    let tlsName: string | undefined;
    if (required === true || available === true) {
      if (isIP(hostname.replace(/^\[|\]$/g, "")) === 0) tlsName = hostname;
      else if (!isSeed) ({ tlsName } = this.#cluster);
    }
    this.#cluster = { servers: [], tlsName };
    this.hear(connection);
  }

  /** Takes over what the server says of its cluster; to be called whenever it has said something new. */
  hear(connection: NatsConnection): void {
    const { info } = connection;
    if (this.#settings.discoverServers === false || info === undefined) return;
    const servers = (info.connect_urls ?? []).map((url) => `nats://${url}`);
    this.#cluster = { ...this.#cluster, servers };
  }
}

/** Whether nobody has answered, rather than somebody who does not let us in. */
function isSilence(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown };
  return code === ErrorCode.ConnectionRefused || code === ErrorCode.Timeout;
}

function current<T>(value: Current<T>): T | Promise<T> {
  return typeof value === "function" ? (value as () => T | Promise<T>)() : value;
}

function closedError(): BridgeError {
  return new BridgeError("NATS_CLOSED", "The connection to NATS is closed.");
}

/** In another order at every attempt, so that a fleet spreads over the servers. */
function shuffled<T>(items: readonly T[]): T[] {
  const order = items.map((item) => ({ item, place: Math.random() }));
  return order.toSorted((a, b) => a.place - b.place).map(({ item }) => item);
}
