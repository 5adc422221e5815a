import type { Msg, MsgHdrs } from "nats";
import { type Delivery, isAckSubject, parseAckSubject } from "./ack-subject.ts";

/** A key's value, or its end. */
export interface BucketValue {
  readonly kind: "entry";
  readonly delivery: Delivery;
  /** Whether the message ends its key's value. */
  readonly ends: boolean;
  /** The message's own time to live, as its author wrote it; empty: none. */
  readonly ttl: string;
}

/** Flow control and idle heartbeats, which come in order with the entries. */
export interface BucketControl {
  readonly kind: "control";
  /** Where an empty message lets the server deliver more, when it waits for that. */
  readonly answerTo: string | undefined;
  /** For a heartbeat: how many messages the consumer has delivered. */
  readonly delivered: number | undefined;
  /** For a heartbeat: up to which sequence the consumer has looked at the stream. */
  readonly position: number;
  /** The server has more to deliver, but waits for an answer first. */
  readonly stalled: boolean;
}

/** A message that the server sent to a consumer's inbox. */
export type BucketMessage =
  | BucketValue
  | BucketControl
  /** Anything else: the consumer is of no more use. */
  | { readonly kind: "foreign"; readonly what: string };

const CONTROL = 100;
/** What is wrong with a message that no stream delivered. */
export const FOREIGN_MESSAGE = "a message of no stream came";

export function readMessage(message: Msg): BucketMessage {
  const headers = headersOf(message);
  const reply = message.reply ?? "";
  // A stored message may carry a status of its own, so only the reply tells who speaks.
  if (headers !== undefined && headers.code !== 0 && !isAckSubject(reply)) {
    return headers.code === CONTROL
      ? readControl(headers, reply)
      : { kind: "foreign", what: `the server says "${headers.status}"` };
  }
  const delivery = parseAckSubject(reply);
  if (delivery === undefined) return { kind: "foreign", what: FOREIGN_MESSAGE };
  return {
    kind: "entry",
    delivery,
    ends: headers !== undefined && endsValue(headers),
    ttl: headers?.get("Nats-TTL") ?? "",
  };
}

function readControl(headers: MsgHdrs, reply: string): BucketMessage {
  const stalled = headers.get("Nats-Consumer-Stalled");
  const delivered = headers.get("Nats-Last-Consumer");
  return {
    kind: "control",
    answerTo: reply || stalled || undefined,
    delivered: delivered === "" ? undefined : Number(delivered),
    position: Number(headers.get("Nats-Last-Stream")),
    stalled: stalled !== "",
  };
}

/**
 * A server stores headers as they were published, and the library throws on those that are malformed. Such a
 * message is a plain value: one careless publisher must not stop the bucket.
 */
function headersOf(message: Msg): MsgHdrs | undefined {
  try {
    return message.headers;
  } catch {
    return undefined;
  }
}

/** KV's markers (ADR-8), and those that a server writes when it removes by age or limit (ADR-43). */
function endsValue(headers: MsgHdrs): boolean {
  const operation = headers.get("KV-Operation");
  return operation === "DEL" || operation === "PURGE" || headers.get("Nats-Marker-Reason") !== "";
}
