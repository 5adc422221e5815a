import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Question, Sample } from "./worker.ts";

const FILE = fileURLToPath(new URL("./worker.js", import.meta.url));
const POLL_MS = 100;

/** A bridge in a process of its own, as a fleet has them. */
export class Worker implements AsyncDisposable {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #gone: Promise<unknown>;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(name: string) {
    this.name = name;
    this.#child = fork(FILE, {
      execArgv: ["--expose-gc"],
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.#gone = new Promise((resolve) => this.#child.once("exit", resolve));
  }

  /** Resolves when all buckets are loaded. */
  start(
    urls: readonly string[],
    buckets: readonly string[],
    refresh: string = "30s",
  ): Promise<unknown> {
    return this.#ask({ ask: "start", name: this.name, urls, buckets, refresh });
  }

  /** `collect`: after a garbage collection, so that memory tells something. */
  sample(collect = false): Promise<Sample> {
    return this.#ask({ ask: "sample", collect }) as Promise<Sample>;
  }

  cut(): Promise<unknown> {
    return this.#ask({ ask: "cut" });
  }

  /** Resolves when so many loads have been made, and none is under way. */
  async loaded(loads: number): Promise<void> {
    for (;;) {
      const sample = await this.sample();
      if (sample.loads.length >= loads && sample.behind === 0) return;
      await delay(POLL_MS);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const stopped = this.#ask({ ask: "stop" }).catch(() => undefined);
    await Promise.race([this.#gone, stopped, delay(5_000)]);
    this.#child.kill("SIGKILL");
    await this.#gone;
  }

  #ask(question: Question): Promise<unknown> {
    const answered = this.#turn.then(async () => {
      if (!this.#child.connected) throw this.#ended();
      const over = new AbortController();
      const message = once(this.#child, "message", { signal: over.signal });
      this.#child.send(question);
      const ended = this.#gone.then(() => [{ error: this.#ended().message }]);
      const [reply] = (await Promise.race([message, ended])) as [
        { value?: unknown; error?: string },
      ];
      message.catch(() => undefined);
      over.abort();
      if (reply.error !== undefined) throw new Error(`${this.name}: ${reply.error}`);
      return reply.value;
    });
    this.#turn = answered.catch(() => undefined);
    return answered;
  }

  #ended(): Error {
    return new Error(`the process of bridge ${this.name} has ended`);
  }
}
