import {
  Empty,
  type JetStreamManager,
  type Msg,
  type NatsConnection,
  NatsError,
  type StreamInfo,
  type Subscription,
} from "nats";
import { BridgeError, quote } from "../errors.ts";
import { readAckSubject } from "./ack-subject.ts";
import { askAgain } from "./ask-again.ts";
import {
  type BucketControl,
  type BucketValue,
  FOREIGN_MESSAGE,
  readMessage,
} from "./bucket-message.ts";
import { bucketInfo, type Expiry, expiryOf } from "./bucket-info.ts";
import type { BucketRun, BucketSink, GapCause, OpenOptions } from "./bucket-source.ts";
import type { NatsLink } from "./connection.ts";
import { bucketError, flowControlError } from "./errors.ts";
import { deliverPolicy, followingConsumer, HEARTBEAT_MS } from "./follow-consumer.ts";
import { KeyPrefix } from "./key-prefix.ts";
import { LeftOut } from "./left-out.ts";
import { Overlap } from "./overlap.ts";
import { SnapshotEnd } from "./snapshot-end.ts";
import type { WireMessage } from "./wire/frame-scanner.ts";
import { WireTap } from "./wire/wire-tap.ts";

/** Silence for this long means that the consumer, or the way to it, is gone. */
const SILENCE_MS = 3 * HEARTBEAT_MS;
const TICK_MS = 250;

/**
 * Follows a bucket through an ephemeral push consumer of our own, with flow control and heartbeats.
 *
 * The client library's watch hides what must be known here: it resumes by sequence after a gap, which can't
 * see deletions that were compacted away nor a bucket that was made anew, and needs 10 s or more to notice.
 * Here every gap ends the stream, and whoever follows the bucket opens another, from a snapshot.
 * Where the snapshot ends: {@link SnapshotEnd}. What the server never delivers: {@link LeftOut}.
 */
export class BucketStream implements BucketRun {
  readonly #link: NatsLink;
  readonly #bucket: string;
  readonly #sink: BucketSink;
  readonly #headersOnly: boolean;
  readonly #history: boolean;
  readonly #unlisten: (() => void)[];
  readonly #monitor: NodeJS.Timeout;
  readonly #leftOut: LeftOut;
  #connection: NatsConnection | undefined;
  #manager: JetStreamManager | undefined;
  #subscription: Subscription | undefined;
  #untap: (() => void) | undefined;
  #prefix = new KeyPrefix(undefined);
  #incarnation = "";
  #expiry: Expiry = () => Infinity;
  #ended = false;
  #delivered = 0;
  #revision = 0;
  /** When the last question about the bucket was asked that has been answered, by `performance.now()`. */
  #askedAt = 0;
  /** Until the snapshot has ended. */
  #snapshot: SnapshotEnd | undefined;
  /** Until the consumer is past what it may deliver twice. */
  #overlap: Overlap | undefined;
  /** Ticks of the monitor since something was heard; none are counted before the consumer is there. */
  #silentTicks = -Infinity;

  constructor(link: NatsLink, bucket: string, sink: BucketSink, options: OpenOptions = {}) {
    this.#link = link;
    this.#bucket = bucket;
    this.#sink = sink;
    this.#headersOnly = options.headersOnly ?? false;
    this.#history = options.history ?? false;
    this.#unlisten = [link.onDenied((subject) => this.#checkDenied(subject))];
    this.#monitor = setInterval(() => this.#checkSilence(), TICK_MS).unref();
    this.#leftOut = new LeftOut(
      () => this.#lastSequence(),
      (revision) => sink.whole(revision),
    );
    this.#snapshot = new SnapshotEnd(
      () => this.#leftOut.ask(),
      (revision) => this.#finishSnapshot(revision),
      (error) => this.#fail(error),
    );
    this.#open().catch((error: unknown) => this.#fail(error));
  }

  stop(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#monitor);
    this.#leftOut.stop();
    for (const unlisten of this.#unlisten) unlisten();
    this.#unsubscribe();
  }

  prove(): void {
    this.#leftOut.prove();
  }

  #unsubscribe(): void {
    this.#untap?.();
    this.#subscription?.unsubscribe();
  }

  #end(reason: BridgeError, cause?: GapCause): void {
    if (this.#ended) return;
    this.stop();
    this.#sink.ended(reason, cause);
  }

  /** A request that was lost with its connection tells nothing of the bucket: the next connection ends the stream. */
  #fail(error: unknown): void {
    if (error instanceof NatsError && this.#connection?.isClosed() === true) return;
    this.#end(bucketError(error, this.#bucket));
  }

  #gap(what: string, cause: GapCause = "lost"): void {
    const message = `The stream of bucket ${quote(this.#bucket)} had a gap: ${what}.`;
    this.#end(new BridgeError("BUCKET_STREAM_ENDED", message), cause);
  }

  async #open(): Promise<void> {
    const { timeoutMs: timeout } = this.#link;
    this.#connection = await this.#link.connection();
    if (this.#ended) return;
    // Not before: a stream that was opened while there was no connection begins when it is back.
    this.#unlisten.push(
      this.#link.onReconnect(() => this.#gap("the connection was lost and is back", "reconnect")),
    );
    this.#manager = await this.#connection.jetstreamManager({ checkAPI: false, timeout });
    if (this.#ended) return;
    const info = await this.#info();
    if (this.#ended) return;
    this.#incarnation = info.created;
    this.#expiry = expiryOf(info.config);
    this.#sink.opened(bucketInfo(info));
    // The sink may have stopped us; nothing is subscribed to then.
    if (!this.#ended) await this.#consume(info);
  }

  async #consume({ config, state }: StreamInfo): Promise<void> {
    // A mirror keeps the subjects of what it mirrors, which may be a mirror itself: its first message tells.
    const name = config.mirror === undefined ? this.#bucket : undefined;
    this.#prefix = new KeyPrefix(name);
    this.#overlap = new Overlap(state.last_seq);
    const consumer = await followingConsumer(
      this.#connection!,
      {
        stream: `KV_${this.#bucket}`,
        filter: `$KV.${name ?? "*"}.>`,
        deliver: deliverPolicy(this.#connection!, config, this.#history),
        headersOnly: this.#headersOnly,
      },
      this.#link.timeoutMs,
      (inbox) => this.#subscribe(inbox),
      () => this.#ended || this.#delivered > 0,
    );
    if (this.#ended) return;
    this.#silentTicks = 0;
    const empty = state.messages === 0 && consumer.num_pending === 0 && this.#delivered === 0;
    if (empty && consumer.delivered.consumer_seq === 0) {
      this.#overlap = undefined;
      this.#leftOut.begins(state.last_seq);
      this.#finishSnapshot(state.last_seq);
    } else this.#snapshot?.begin();
  }

  #subscribe(inbox: string): void {
    this.#unsubscribe();
    const hear = this.#heard((message: Msg) => this.#receive(message));
    this.#subscription = this.#connection!.subscribe(inbox, {
      callback: (error, message) => (error === null ? hear(message) : this.#fail(error)),
    });
    const hearPlain = this.#heard((message: WireMessage) => this.#receivePlain(message));
    this.#untap = WireTap.of(this.#connection!)?.take(this.#subscription, hearPlain);
  }

  async #info(): Promise<StreamInfo> {
    const { askedAt, info } = await askAgain(async () => {
      const askedAt = performance.now();
      return { askedAt, info: await this.#manager!.streams.info(`KV_${this.#bucket}`) };
    });
    this.#askedAt = askedAt;
    return info;
  }

  async #lastSequence(): Promise<number> {
    const { created, state } = await this.#info();
    if (created !== this.#incarnation)
      this.#gap("the bucket was deleted and made again", "incarnation");
    this.#overlap?.endsAt(state.last_seq);
    return state.last_seq;
  }

  #finishSnapshot(revision: number): void {
    if (this.#ended) return;
    this.#snapshot = undefined;
    this.#leftOut.loaded();
    if (!this.#ended) this.#sink.loaded(revision, performance.now() - this.#askedAt);
  }

  /** Whatever is thrown in here would end the reading of the whole connection. */
  #heard<M>(receive: (message: M) => void): (message: M) => void {
    return (message) => {
      if (this.#ended) return;
      this.#silentTicks = Math.min(this.#silentTicks, 0);
      try {
        receive(message);
      } catch (error) {
        this.#fail(error);
      }
    };
  }

  /** A message without headers is a value. */
  #receivePlain(message: WireMessage): void {
    const { bytes, subjectStart, subjectEnd } = message;
    const delivery = readAckSubject(bytes, message.replyStart, message.replyEnd);
    if (delivery === undefined) this.#gap(FOREIGN_MESSAGE);
    else {
      const key = this.#prefix.keyIn(bytes, subjectStart, subjectEnd);
      const data = bytes.subarray(message.dataStart, message.dataEnd);
      this.#entry(key, { kind: "entry", delivery, ends: false, ttl: "" }, data);
    }
  }

  #receive(message: Msg): void {
    const read = readMessage(message);
    if (read.kind === "entry") this.#entry(this.#prefix.keyOf(message.subject), read, message.data);
    else if (read.kind === "control") this.#control(read);
    else this.#gap(read.what);
  }

  /** Messages of no key (an account's own subject transforms) only move the revision on. */
  #entry(key: string | undefined, { delivery, ends, ttl }: BucketValue, data: Uint8Array): void {
    const { sequence, delivered, pending } = delivery;
    if (delivered !== this.#delivered + 1) {
      this.#gap(`delivery ${this.#delivered + 1} was expected, ${delivered} came`);
      return;
    }
    if (this.#overlap?.isOver(sequence)) this.#overlap = undefined;
    if (sequence <= this.#revision && this.#overlap?.allows(sequence) !== true) {
      this.#gap(`revision ${sequence} came after ${this.#revision}`, "regressed");
      return;
    }
    this.#delivered = delivered;
    this.#revision = Math.max(this.#revision, sequence);
    this.#leftOut.comes(sequence);
    if (this.#ended) return;
    if (key !== undefined && this.#overlap?.isNews(key, sequence) !== false) {
      this.#sink.entry({
        key,
        operation: ends ? "delete" : "put",
        data,
        revision: sequence,
        createdMs: delivery.timestampMs,
        expiresMs: this.#expiry(delivery.timestampMs, ttl),
      });
    }
    this.#reached(this.#revision, pending);
  }

  #control({ answerTo, delivered, position, stalled }: BucketControl): void {
    if (answerTo !== undefined) this.#connection!.publish(answerTo, Empty);
    if (delivered === undefined) return;
    if (delivered > this.#delivered) this.#gap(`${delivered - this.#delivered} messages were lost`);
    // An idle server has delivered all there is up to its position: the tail may have been purged. Not always
    // all there is, though: it also idles after each message that vanished from a list of last values.
    else if (!stalled) {
      this.#leftOut.idles(position);
      this.#reached(Math.max(position, this.#revision), 0);
    }
  }

  #reached(position: number, pending: number): void {
    if (this.#ended) return;
    if (this.#snapshot !== undefined) this.#snapshot.reached(position, pending);
    else {
      this.#leftOut.handedOver();
      if (pending === 0) this.#sink.current(position);
    }
  }

  /** Without the right to answer flow control the server stops delivering, in silence, while heartbeats go on. */
  #checkDenied(subject: string): void {
    const stream = `KV_${this.#bucket}`;
    if (subject.startsWith("$JS.FC.") && subject.split(".").includes(stream)) {
      this.#end(flowControlError(this.#bucket));
    }
  }

  /** Counts ticks, not time: a process that was blocked or suspended has not listened, so silence proves nothing. */
  #checkSilence(): void {
    if (this.#link.state !== "connected") this.#silentTicks = Math.min(this.#silentTicks, 0);
    else if (++this.#silentTicks * TICK_MS > SILENCE_MS) {
      this.#gap(`the server has been silent for ${SILENCE_MS / 1_000} s`, "silence");
    }
  }
}
