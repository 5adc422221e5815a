import { spawn, type ChildProcess } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { provideTool } from "../../src/tools/provide-tool.ts";
import { endAtExit, removeAtExit } from "./exit.ts";
import { freePort, readInfo, type ServerInfo } from "./ports.ts";
import { standStill } from "./stand-still.ts";

const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 15_000;
const KEPT_LOG_LENGTH = 1_000_000;

/** PEM files of a server's TLS listener. */
export interface ServerTls {
  certFile: string;
  keyFile: string;
  /** The authority of the clients' certificates. */
  caFile?: string;
  /** Whether clients must show a certificate (mutual TLS); default false. */
  verify?: boolean;
}

export interface NatsServerOptions {
  /** Default true. */
  jetstream?: boolean;
  /** Text added to the server's configuration, such as users and their permissions. */
  config?: string;
  /** Directory for configuration and data, kept after the test; default a new one that is removed. */
  dir?: string;
  /** Default a free one. */
  port?: number;
  /** Another loopback address than 127.0.0.1; only Linux has them all. */
  host?: string;
  tls?: ServerTls;
  /** Writes the server's log to standard error as well; default whether `NATS_LOGS` is set. */
  logs?: boolean;
}

/** A real nats-server on 127.0.0.1, as a child of this process. Made by {@link startNatsServer}. */
export class NatsServer implements AsyncDisposable {
  readonly port: number;
  readonly dir: string;
  readonly #options: NatsServerOptions;
  readonly #file: string;
  #host: string;
  #extra: string;
  #child: ChildProcess | undefined;
  #exited: Promise<unknown> = Promise.resolve();
  #paused = false;
  #info: ServerInfo | undefined;
  #logs = "";
  #dropped = 0;

  constructor(file: string, dir: string, port: number, options: NatsServerOptions) {
    this.#file = file;
    this.dir = dir;
    this.port = port;
    this.#options = options;
    this.#host = options.host ?? "127.0.0.1";
    this.#extra = options.config ?? "";
  }

  get url(): string {
    return `nats://${this.#host}:${this.port}`;
  }

  /** The process's id; throws while the server is stopped. */
  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error(`nats-server on port ${this.port} is not running`);
    return pid;
  }

  get running(): boolean {
    return this.#child !== undefined;
  }

  /** The text given as `config`, or to `writeConfig` since. */
  get config(): string {
    return this.#extra;
  }

  /** For example "2.15.2". */
  get version(): string {
    return this.#info?.version ?? "";
  }

  /** What the server has logged since it was first started, the last million characters of it. */
  logs(): string {
    return this.#logs;
  }

  /** Starts the stopped server on its port with its data; resolves when it accepts clients. */
  async start(): Promise<void> {
    if (this.#child !== undefined)
      throw new Error(`nats-server on ${this.port} is running already`);
    await this.writeConfig(this.#extra);
    const deadline = Date.now() + START_TIMEOUT_MS;
    for (;;) {
      const from = this.#logEnd;
      const child = this.#spawn();
      while (this.#child === child && Date.now() < deadline) {
        this.#info = await readInfo(this.port, this.#host);
        const jetstream = this.#options.jetstream ?? true;
        // Another program may have been quicker to take the port: then this child ends.
        if (this.#info !== undefined && (!jetstream || this.#info.jetstream)) {
          await delay(10);
          if (this.#child === child) return;
        }
        await delay(20);
      }
      const said = this.#logsSince(from);
      await this.kill();
      if (!said.includes("address already in use") || Date.now() >= deadline) {
        throw new Error(`nats-server on port ${this.port} did not start:\n${said}`);
      }
      await delay(250);
    }
  }

  /** Ends the server in an orderly way, and removes its data unless the directory was given. */
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
    if (this.#options.dir === undefined) {
      await rm(this.dir, { recursive: true, force: true, maxRetries: 5 });
      removeAtExit.delete(this.dir);
    }
  }

  /** Ends the server without warning (SIGKILL); its data stays until `stop`. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Ends the server in an orderly way, keeping its data. */
  async halt(): Promise<void> {
    await this.#end("SIGTERM");
  }

  /** Ends the server, if it runs, and starts it on the same port with the same data. */
  async restart(): Promise<void> {
    await this.halt();
    await this.start();
  }

  /** Freezes the process: connections stay open, nothing is answered. */
  pause(): void {
    standStill(this.pid);
    this.#paused = true;
  }

  resume(): void {
    process.kill(this.pid, "SIGCONT");
    this.#paused = false;
  }

  /** Replaces the text given as `config`; takes effect with `reload` or `restart`. */
  async writeConfig(text: string): Promise<void> {
    this.#extra = text;
    const { jetstream = true, tls } = this.#options;
    const lines = [`listen: "${this.#host}:${this.port}"`];
    if (jetstream) lines.push(`jetstream { store_dir: ${JSON.stringify(join(this.dir, "data"))} }`);
    if (tls !== undefined) {
      lines.push("tls {", `  cert_file: ${JSON.stringify(tls.certFile)}`);
      lines.push(`  key_file: ${JSON.stringify(tls.keyFile)}`);
      if (tls.caFile !== undefined) lines.push(`  ca_file: ${JSON.stringify(tls.caFile)}`);
      lines.push(`  verify: ${tls.verify ?? false}`, "}");
    }
    await mkdir(this.dir, { recursive: true });
    await writeFile(join(this.dir, "nats.conf"), `${lines.join("\n")}\n${text}\n`);
  }

  /** Starts the stopped server on another address, with its data. */
  async startOn(host: string): Promise<void> {
    this.#host = host;
    await this.start();
  }

  /** Makes the server read its configuration again (SIGHUP); resolves when it has, throws if it refused. */
  async reload(): Promise<void> {
    const from = this.#logEnd;
    process.kill(this.pid, "SIGHUP");
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (Date.now() < deadline) {
      const said = this.#logsSince(from);
      if (said.includes("Reloaded server configuration")) return;
      if (said.includes("Failed to reload")) throw new Error(said);
      await delay(10);
    }
    throw new Error(`nats-server on port ${this.port} did not reload:\n${this.#logsSince(from)}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** The length of all that was ever logged. */
  get #logEnd(): number {
    return this.#dropped + this.#logs.length;
  }

  #logsSince(end: number): string {
    return this.#logs.slice(Math.max(0, end - this.#dropped));
  }

  #spawn(): ChildProcess {
    const child = spawn(this.#file, ["-c", join(this.dir, "nats.conf")], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#child = child;
    endAtExit.add(child);
    const keep = (text: string): void => {
      this.#logs += text;
      const excess = Math.max(0, this.#logs.length - KEPT_LOG_LENGTH);
      this.#logs = this.#logs.slice(excess);
      this.#dropped += excess;
      if (this.#options.logs ?? process.env["NATS_LOGS"] !== undefined) process.stderr.write(text);
    };
    child.stderr?.setEncoding("utf8").on("data", keep);
    this.#exited = new Promise<void>((resolve) => {
      const gone = (): void => {
        endAtExit.delete(child);
        if (this.#child === child) this.#child = undefined;
        resolve();
      };
      child.once("close", gone);
      child.once("error", (error) => {
        keep(`${error.message}\n`);
        gone();
      });
    });
    return child;
  }

  async #end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    child.kill(signal);
    // A frozen process takes no notice of SIGTERM until it's resumed.
    if (this.#paused) child.kill("SIGCONT");
    this.#paused = false;
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await this.#exited;
    clearTimeout(timer);
  }
}

/**
 * Starts a nats-server that accepts clients, with JetStream unless told otherwise, when the promise resolves.
 * Stop it in the test (`await using` does); what a test leaves is ended with the process.
 */
export async function startNatsServer(options: NatsServerOptions = {}): Promise<NatsServer> {
  const file = await provideTool("nats-server");
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), "nats-opa-bridge-")));
  if (options.dir === undefined) removeAtExit.add(dir);
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort());
    const server = new NatsServer(file, dir, port, options);
    try {
      await server.start();
      return server;
    } catch (error) {
      const taken = String(error).includes("address already in use") && options.port === undefined;
      if (!taken || attempt === 3) {
        await server.stop();
        throw error;
      }
    }
  }
}

/** True when the server has this version, for example "2.11.0", or a later one. */
export function serverVersionAtLeast(server: { version: string }, version: string): boolean {
  const numbers = (text: string): number[] => text.split(/[-+]/)[0]!.split(".").map(Number);
  const [have, want] = [numbers(server.version), numbers(version)];
  for (const [index, part] of want.entries()) {
    const difference = (have[index] ?? 0) - part;
    if (difference !== 0) return difference > 0;
  }
  return true;
}
