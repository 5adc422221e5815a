import { deferred } from "../common/async.ts";
import { ReplayBuffer } from "../common/replay-buffer.ts";
import type { EncodedEvent } from "./sink.ts";

/** What is kept for those who begin to listen, and for each listener that is behind; the oldest are dropped. */
const KEPT = { maxItems: 200, maxBytes: 2 ** 20 };
const MAX_LISTENERS = 20;

/** The latest events of the decision log, as its masks left them, for whoever wants to look on. */
export class RecentDecisions {
  readonly #listeners = new Set<DecisionListener>();
  #latest: EncodedEvent[] = [];
  #bytes = 0;
  #closed = false;

  /** Takes an event that is to be shown. Costs the same whatever the listeners are doing. */
  offer(event: EncodedEvent): void {
    this.#latest.push(event);
    this.#bytes += event.text.length;
    while (this.#latest.length > KEPT.maxItems || this.#bytes > KEPT.maxBytes) {
      this.#bytes -= this.#latest.shift()!.text.length;
    }
    for (const listener of this.#listeners) listener.offer(event);
  }

  /** The latest events, and then each one as it comes; undefined where there are too many listeners. */
  listen(): DecisionListener | undefined {
    if (this.#closed || this.#listeners.size >= MAX_LISTENERS) return undefined;
    const listener = new DecisionListener((ended) => this.#listeners.delete(ended));
    for (const event of this.#latest) listener.offer(event);
    this.#listeners.add(listener);
    return listener;
  }

  /** Ends every listener. */
  close(): void {
    this.#closed = true;
    for (const listener of this.#listeners) listener.close();
  }
}

/** One who looks on. Whoever is too slow misses the oldest events. */
export class DecisionListener {
  readonly #waiting = new ReplayBuffer<EncodedEvent>(KEPT);
  readonly #onClose: (self: DecisionListener) => void;
  #news = deferred();
  #closed = false;

  constructor(onClose: (self: DecisionListener) => void) {
    this.#onClose = onClose;
  }

  offer(event: EncodedEvent): void {
    this.#waiting.push(event, event.text.length);
    this.#news.resolve();
  }

  /** What has come since, at least one; undefined once it is closed. */
  async next(): Promise<readonly EncodedEvent[] | undefined> {
    while (!this.#closed && this.#waiting.length === 0) await this.#news.promise;
    this.#news = deferred();
    return this.#closed ? undefined : this.#waiting.take(KEPT.maxItems).items;
  }

  close(): void {
    this.#closed = true;
    this.#news.resolve();
    this.#onClose(this);
  }
}
