import type { DecisionSink, EncodedEvent, Sent } from "./sink.ts";

/** What puts messages into a stream. */
export interface EventPublisher {
  /** The largest message, in bytes; undefined while there has been no connection. */
  readonly maxBytes: number | undefined;
  /**
   * Publishes to a subject, in order; the identity keeps a message that is sent again from being stored twice.
   * Resolves with how many of the first are stored, at least one. Rejects when there is none.
   */
  publish(
    subject: string,
    messages: readonly { readonly id: string; readonly text: string }[],
  ): Promise<number>;
}

/** How many messages are on their way at a time: enough to hide the way to the server and back. */
const BATCH = { maxItems: 64, maxBytes: 4 * 2 ** 20 };

/** One message for each event, on a subject that a JetStream stream keeps. */
export class SubjectSink implements DecisionSink {
  readonly name: string;
  readonly batch: DecisionSink["batch"] = BATCH;
  readonly #publisher: EventPublisher;
  readonly #subject: string;

  constructor(publisher: EventPublisher, subject: string) {
    this.name = `subject ${subject}`;
    this.#publisher = publisher;
    this.#subject = subject;
  }

  async send(events: readonly EncodedEvent[]): Promise<Sent> {
    const { maxBytes = Number.POSITIVE_INFINITY } = this.#publisher;
    const messages: { id: string; text: string }[] = [];
    for (const { decisionId: id, text } of events) {
      if (Buffer.byteLength(text) + ROOM_FOR_HEADERS > maxBytes) break;
      messages.push({ id, text });
    }
    if (messages.length === 0) return { done: 1, dropped: 1 };
    return { done: await this.#publisher.publish(this.#subject, messages) };
  }

  /** The connection is not this sink's own. */
  close(): void {}
}

const ROOM_FOR_HEADERS = 512;
