import type { Writable } from "node:stream";
import { once } from "node:events";
import type { DecisionSink, EncodedEvent, Sent } from "./sink.ts";

const BATCH = { maxItems: 1_000, maxBytes: 2 ** 20 };

/**
 * One line of JSON for each event, as OPA's console logger writes it: the event's fields between `level` and
 * `msg`, `time` and `type`. Waits for whoever reads the stream; meanwhile events wait in the bounded buffer.
 */
export class ConsoleSink implements DecisionSink {
  readonly name = "console";
  readonly batch: DecisionSink["batch"] = BATCH;
  readonly #stream: Writable;

  constructor(stream: Writable = process.stdout) {
    this.#stream = stream;
  }

  async send(events: readonly EncodedEvent[], signal: AbortSignal): Promise<Sent> {
    const time = new Date().toISOString();
    const lines = events.map(({ text }) => `{"level":"info",${text.slice(1, -1)},${tail(time)}}\n`);
    if (!this.#stream.write(lines.join(""))) await once(this.#stream, "drain", { signal });
    return { done: events.length };
  }

  /** The stream is not this sink's own. */
  close(): void {}
}

function tail(time: string): string {
  return `"msg":"Decision Log","time":"${time}","type":"openpolicyagent.org/decision_logs"`;
}
