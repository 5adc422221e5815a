import { ErrorCode, type NatsError } from "nats";
import { BridgeError, messageOf, quote } from "../errors.ts";
import type { NatsLink } from "./connection.ts";

/** Puts decision events into the stream that keeps their subject. */
export class EventPublisher {
  readonly #link: NatsLink;
  #maxBytes: number | undefined;

  constructor(link: NatsLink) {
    this.#link = link;
  }

  /** The largest message that the server takes, in bytes. */
  get maxBytes(): number | undefined {
    return this.#maxBytes;
  }

  /**
   * Publishes in one go, so that what is lost with the connection is an end of it, and resolves with how many of
   * the first are stored. Rejects with `DECISION_SINK` when there is none. What is stored and not acknowledged is
   * published again; the server leaves it out within the stream's duplicate window.
   */
  async publish(
    subject: string,
    messages: readonly { readonly id: string; readonly text: string }[],
  ): Promise<number> {
    if (this.#link.state !== "connected") throw failure(subject, "NATS is not connected");
    const connection = await this.#link.connection();
    this.#maxBytes = connection.info?.max_payload;
    const stream = connection.jetstream({ timeout: this.#link.timeoutMs });
    const outcomes = await Promise.allSettled(
      messages.map(({ id, text }) => stream.publish(subject, Buffer.from(text), { msgID: id })),
    );
    const failed = outcomes.findIndex(({ status }) => status === "rejected");
    if (failed < 0) return messages.length;
    if (failed > 0) return failed;
    const { reason } = outcomes[0] as PromiseRejectedResult;
    throw failure(subject, reasonOf(reason), reason);
  }
}

function reasonOf(error: unknown): string {
  const { code } = (error ?? {}) as Partial<NatsError>;
  return code === ErrorCode.NoResponders ? "no stream keeps this subject" : messageOf(error);
}

function failure(subject: string, why: string, cause?: unknown): BridgeError {
  return new BridgeError(
    "DECISION_SINK",
    `Decision events can't be published on ${quote(subject)} (${why}); check that a stream keeps the subject, and that the NATS user may publish on it.`,
    { cause },
  );
}
