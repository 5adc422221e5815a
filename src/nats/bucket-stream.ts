import {
  AckPolicy,
  createInbox,
  DeliverPolicy,
  Empty,
  type JetStreamManager,
  type Msg,
  type MsgHdrs,
  nanos,
  type NatsConnection,
  type StreamInfo,
  type Subscription,
} from "nats";
import { BridgeError, quote } from "../errors.ts";
import { parseAckSubject } from "./ack-subject.ts";
import type { BucketRun, BucketSink } from "./bucket-source.ts";
import type { NatsLink } from "./connection.ts";
import { bucketError } from "./errors.ts";

const HEARTBEAT_MS = 1_000;
/** Silence for this long means that the consumer, or the way to it, is gone. */
const SILENCE_MS = 3 * HEARTBEAT_MS;
/** The server forgets our consumer when nobody listens for this long, so none is ever left behind. */
const INACTIVE_MS = 5_000;

/**
 * Follows a bucket through an ephemeral push consumer of our own, with flow control and heartbeats.
 *
 * The client library's watch hides what must be known here: it resumes by sequence after a gap, which can't
 * see deletions that were compacted away nor a bucket that was made anew, and needs 10 s or more to notice.
 * Here every gap ends the stream, and whoever follows the bucket opens another, from a snapshot.
 *
 * The snapshot has ended when every key that existed at the start has been seen. The server first delivers
 * the messages that were each key's last when the consumer was made, then everything after them; a key that is
 * overwritten meanwhile arrives only at its new revision. So (1) wait until the stream's last sequence, asked
 * after the consumer was made, has been delivered, and with it the initial list; (2) wait for a message with
 * nothing pending behind it; (3) ask for the last sequence again, and wait for that. Where no message has
 * that sequence any more (purged, expired), an idle heartbeat proves that nothing is left to deliver.
 */
export class BucketStream implements BucketRun {
  readonly #link: NatsLink;
  readonly #bucket: string;
  readonly #sink: BucketSink;
  readonly #stopReconnect: () => void;
  readonly #monitor: NodeJS.Timeout;
  #connection: NatsConnection | undefined;
  #manager: JetStreamManager | undefined;
  #subscription: Subscription | undefined;
  #prefix = "";
  #incarnation = "";
  #ended = false;
  #loaded = false;
  #delivered = 0;
  #revision = 0;
  #pending = -1;
  #lastHeard = performance.now();
  #barrier: { step: "initial" | "caught-up"; sequence?: number } | undefined;

  constructor(link: NatsLink, bucket: string, sink: BucketSink) {
    this.#link = link;
    this.#bucket = bucket;
    this.#sink = sink;
    this.#stopReconnect = link.onReconnect(() => this.#gap("the connection was lost and is back"));
    this.#monitor = setInterval(() => this.#checkSilence(), HEARTBEAT_MS).unref();
    void this.#open().catch((error: unknown) => this.#end(bucketError(error, bucket)));
  }

  stop(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#monitor);
    this.#stopReconnect();
    this.#subscription?.unsubscribe();
  }

  #end(reason: BridgeError): void {
    if (this.#ended) return;
    this.stop();
    this.#sink.ended(reason);
  }

  #gap(what: string): void {
    this.#end(
      new BridgeError(
        "BUCKET_STREAM_ENDED",
        `The stream of bucket ${quote(this.#bucket)} had a gap: ${what}.`,
      ),
    );
  }

  async #open(): Promise<void> {
    this.#connection = await this.#link.connection();
    this.#manager = await this.#connection.jetstreamManager({
      checkAPI: false,
      timeout: this.#link.timeoutMs,
    });
    const info = await this.#info();
    if (this.#ended) return;
    this.#incarnation = info.created;
    this.#sink.opened({
      incarnation: info.created,
      keys: info.state.num_subjects ?? 0,
      bytes: info.state.bytes,
    });
    // A mirror keeps the subjects of the bucket that it mirrors.
    const subjects = info.config.mirror?.name.replace(/^KV_/, "") ?? this.#bucket;
    this.#prefix = `$KV.${subjects}.`;

    const inbox = createInbox();
    this.#subscription = this.#connection.subscribe(inbox, {
      callback: (error, message) => {
        if (error !== null) this.#end(bucketError(error, this.#bucket));
        else this.#receive(message);
      },
    });
    const consumer = await this.#manager.consumers.add(`KV_${this.#bucket}`, {
      deliver_subject: inbox,
      deliver_policy: DeliverPolicy.LastPerSubject,
      filter_subject: `${this.#prefix}>`,
      ack_policy: AckPolicy.None,
      max_deliver: 1,
      flow_control: true,
      idle_heartbeat: nanos(HEARTBEAT_MS),
      inactive_threshold: nanos(INACTIVE_MS),
      mem_storage: true,
      num_replicas: 1,
    });
    this.#lastHeard = performance.now();
    if (this.#ended || this.#loaded) return;
    const nothingThere = consumer.num_pending === 0 && consumer.delivered.consumer_seq === 0;
    if (nothingThere && this.#delivered === 0) this.#finishSnapshot(info.state.last_seq);
    else await this.#raiseBarrier("initial");
  }

  async #info(): Promise<StreamInfo> {
    return this.#manager!.streams.info(`KV_${this.#bucket}`);
  }

  async #raiseBarrier(step: "initial" | "caught-up"): Promise<void> {
    const barrier: { step: "initial" | "caught-up"; sequence?: number } = { step };
    this.#barrier = barrier;
    const info = await this.#info();
    if (this.#ended || this.#loaded) return;
    if (info.created !== this.#incarnation) {
      this.#gap("the bucket was deleted and made again");
      return;
    }
    barrier.sequence = info.state.last_seq;
    this.#passBarrier();
  }

  #passBarrier(): void {
    const barrier = this.#barrier;
    if (barrier?.sequence === undefined || this.#revision < barrier.sequence) return;
    if (barrier.step === "caught-up") this.#finishSnapshot(this.#revision);
    else if (this.#pending === 0) {
      void this.#raiseBarrier("caught-up").catch((error: unknown) =>
        this.#end(bucketError(error, this.#bucket)),
      );
    }
  }

  #finishSnapshot(revision: number): void {
    this.#loaded = true;
    this.#barrier = undefined;
    this.#sink.loaded(revision);
  }

  #receive(message: Msg): void {
    if (this.#ended) return;
    this.#lastHeard = performance.now();
    const { headers } = message;
    if (headers?.code === 100) {
      this.#control(message, headers);
      return;
    }
    const { sequence, delivered, pending, timestampMs } = parseAckSubject(message.reply ?? "");
    if (delivered !== this.#delivered + 1) {
      this.#gap(`delivery ${this.#delivered + 1} was expected, ${delivered} came`);
      return;
    }
    if (sequence <= this.#revision) {
      this.#gap(`revision ${sequence} came after ${this.#revision}`);
      return;
    }
    this.#delivered = delivered;
    this.#revision = sequence;
    this.#pending = pending;
    // Messages of no key (an account's own subject transforms) only move the revision on.
    if (message.subject.startsWith(this.#prefix)) {
      this.#sink.entry({
        key: message.subject.slice(this.#prefix.length),
        operation: endsValue(headers) ? "delete" : "put",
        data: message.data,
        revision: sequence,
        createdMs: timestampMs,
      });
    }
    if (this.#ended) return;
    if (!this.#loaded) this.#passBarrier();
    else if (pending === 0) this.#sink.current();
  }

  /** Heartbeats and flow control, which come in order with the messages. */
  #control(message: Msg, headers: MsgHdrs): void {
    const stalled = headers.get("Nats-Consumer-Stalled");
    const answerTo = message.reply || stalled;
    if (answerTo) this.#connection!.publish(answerTo, Empty);
    const last = headers.get("Nats-Last-Consumer");
    if (last === "") return;
    if (Number(last) > this.#delivered) {
      this.#gap(`${Number(last) - this.#delivered} messages were lost`);
    } else if (!stalled && this.#loaded) {
      this.#sink.current();
    } else if (!stalled && this.#barrier !== undefined) {
      this.#finishSnapshot(this.#revision);
    }
  }

  #checkSilence(): void {
    const silent = (): boolean =>
      this.#subscription !== undefined &&
      this.#link.state === "connected" &&
      performance.now() - this.#lastHeard > SILENCE_MS;
    if (!silent()) return;
    // After a long block of the event loop the timer fires before what waits in the socket is read.
    setImmediate(() =>
      setImmediate(() => {
        if (silent()) this.#gap(`the server has been silent for ${SILENCE_MS / 1_000} s`);
      }),
    );
  }
}

/**
 * Whether a message ends its key's value: KV's markers (ADR-8), and those that a server writes when it
 * removes messages by age or limit (`Nats-Marker-Reason`, ADR-43).
 */
function endsValue(headers: MsgHdrs | undefined): boolean {
  if (headers === undefined) return false;
  const operation = headers.get("KV-Operation");
  return operation === "DEL" || operation === "PURGE" || headers.get("Nats-Marker-Reason") !== "";
}
