import { deferred } from "../../../src/common/async.ts";
import type { Reporting } from "../../../src/decisions/delivery.ts";
import type { DecisionEvent } from "../../../src/decisions/event.ts";
import type { DecisionSink, EncodedEvent, Sent } from "../../../src/decisions/sink.ts";

export const REPORTING: Reporting = {
  trigger: "immediate",
  minDelayMs: 1_000,
  maxDelayMs: 2_000,
  maxEvents: 1_000,
  maxBytes: 2 ** 20,
};

export function event(id: number | string, more: Partial<DecisionEvent> = {}): DecisionEvent {
  return { decisionId: String(id), path: ["app", "allow"], timestampMs: 0, ...more };
}

/** A sink that the test decides about: it works, fails, or holds what it is given until it is told. */
export class TestSink implements DecisionSink {
  readonly name = "test";
  batch: { maxItems: number; maxBytes: number } = { maxItems: 10, maxBytes: 2 ** 20 };
  readonly delivered: EncodedEvent[] = [];
  sends = 0;
  closed = false;
  mode: "works" | "fails" | "holds" = "works";
  #held = deferred<Sent | Error>();
  #asked = deferred();

  async send(events: readonly EncodedEvent[]): Promise<Sent> {
    this.sends++;
    this.#asked.resolve();
    this.#asked = deferred();
    if (this.mode === "fails") throw new Error("down");
    let done = events.length;
    if (this.mode === "holds") {
      const outcome = await this.#held.promise;
      if (outcome instanceof Error) throw outcome;
      ({ done } = outcome);
    }
    this.delivered.push(...events.slice(0, done));
    return { done };
  }

  close(): void {
    this.closed = true;
  }

  ids(): string[] {
    return this.delivered.map(({ decisionId }) => decisionId);
  }

  /** Resolves at the next `send`. */
  nextSend(): Promise<void> {
    return this.#asked.promise;
  }

  /** Ends the `send` that is held. */
  release(outcome: Sent | Error): void {
    this.#held.resolve(outcome);
    this.#held = deferred();
  }
}
