import { Mutex } from "async-mutex";
import {
  headers,
  type JetStreamClient,
  type JetStreamManager,
  type MsgHdrs,
  nanos,
  NatsError,
  type StoredMsg,
  type StreamConfig,
} from "nats";
import type { Oracle, PendingChange, Value } from "./oracle.ts";
import type { Random } from "./random.ts";

const REQUEST_MS = 1_000;
const WRONG_LAST_SEQUENCE = 10_071;
const MESSAGE_NOT_FOUND = 10_037;
const STREAM_NOT_FOUND = 10_059;

export interface BucketPlan {
  readonly name: string;
  readonly keys: number;
  readonly history: number;
  readonly storage: "file" | "memory";
  readonly replicas: number;
  /** The age at which every value expires, in milliseconds; Infinity: never. */
  readonly maxAgeMs: number;
  /** Whether values may have a time to live of their own, where the server knows of that. */
  readonly ownTtl: boolean;
}

/** One live value of a bucket. */
export interface LiveValue {
  readonly text: string;
  readonly revision: number;
}

/** A bucket as the harness writes and reads it: by plain requests, with nothing of the bridge's in between. */
export class ChaosBucket {
  readonly plan: BucketPlan;
  readonly keys: readonly string[];
  /** Held by whoever changes the bucket, so that writers and faults know what is true. */
  readonly lock: Mutex = new Mutex();
  readonly #js: JetStreamClient;
  readonly #jsm: JetStreamManager;
  readonly #oracle: Oracle;
  /** The revision of each key's last message, as far as it is known; 0 where it has none. */
  readonly #revisions = new Map<string, number>();
  #lastWrite = 0;
  /** When a server started that may have brought values back, until every key has been asked. */
  #restored: number | undefined;

  constructor(plan: BucketPlan, js: JetStreamClient, jsm: JetStreamManager, oracle: Oracle) {
    this.plan = plan;
    this.#js = js;
    this.#jsm = jsm;
    this.#oracle = oracle;
    this.keys = Array.from({ length: plan.keys }, (_, index) =>
      index % 5 === 4 ? `members.deep.d${index % 10}.k${index}` : `members.k${index}`,
    );
  }

  get name(): string {
    return this.plan.name;
  }

  /** Whether what it holds may end by itself. */
  get expires(): boolean {
    return this.plan.maxAgeMs < Infinity || this.plan.ownTtl;
  }

  get stream(): string {
    return `KV_${this.plan.name}`;
  }

  subject(key: string): string {
    return `$KV.${this.name}.${key}`;
  }

  async create(): Promise<void> {
    const { name, history, storage, replicas, maxAgeMs, ownTtl } = this.plan;
    const config: Partial<StreamConfig> & { allow_msg_ttl?: boolean } = {
      name: this.stream,
      subjects: [`$KV.${name}.>`],
      max_msgs_per_subject: history,
      storage: storage as StreamConfig["storage"],
      num_replicas: replicas,
      discard: "new" as StreamConfig["discard"],
      allow_rollup_hdrs: true,
      deny_delete: false,
      allow_direct: true,
      ...(maxAgeMs < Infinity && { max_age: nanos(maxAgeMs), duplicate_window: nanos(maxAgeMs) }),
      ...(ownTtl && { allow_msg_ttl: true }),
    };
    await this.#jsm.streams.add(config);
    this.#restored = undefined;
    this.#revisions.clear();
    for (const key of this.keys) this.#revisions.set(key, 0);
  }

  /** Deletes the bucket, also when it is gone already. */
  async destroy(): Promise<void> {
    const emptied = this.emptied();
    try {
      await this.#jsm.streams.delete(this.stream);
    } catch (error) {
      if (codeOf(error) !== STREAM_NOT_FOUND) throw error;
    }
    emptied.acknowledged();
  }

  async exists(): Promise<boolean> {
    try {
      await this.#jsm.streams.info(this.stream);
      return true;
    } catch (error) {
      if (codeOf(error) === STREAM_NOT_FOUND) return false;
      throw error;
    }
  }

  /** Every key vanishes. */
  emptied(keys: Iterable<string> = this.keys): PendingChange {
    const change = this.#oracle.beginAll(this.name, keys, null);
    this.forget();
    return change;
  }

  /** From now until {@link observe}, every key may hold anything that it ever held. */
  mayChange(): void {
    for (const key of this.keys) this.#oracle.anything(this.name, key);
  }

  /** Something else than `write` has changed the bucket: what its keys hold has to be asked before the next write. */
  forget(): void {
    this.#revisions.clear();
  }

  /** A server is about to start, and may bring back what it had discarded: until {@link observe} nobody knows. */
  restored(): void {
    this.#restored = performance.now();
    this.forget();
  }

  /**
   * One random change of one key. Each is bound to the revision it follows, so that one whose answer was lost can't
   * come true after a later one. Whether it came true is for the oracle; false when that is unknown.
   */
  async write(random: Random, key: string = random.pick(this.keys)): Promise<boolean> {
    const chance = random.next();
    const operation = chance < 0.75 ? "PUT" : chance < 0.9 ? "DEL" : "PURGE";
    const number = ++this.#lastWrite;
    const text = JSON.stringify({ n: number, pad: "x".repeat(random.int(0, 40) ** 2) });
    let revision = this.#revisions.get(key);
    if (revision === undefined) {
      revision = await this.#lastRevision(key);
      if (revision === undefined) return false;
      this.#revisions.set(key, revision);
    }
    const lifeMs = operation === "PUT" ? this.#life(random) : Infinity;
    const value = operation === "PUT" ? number : null;
    const change = this.#oracle.begin(this.name, key, value, Math.min(lifeMs, this.plan.maxAgeMs));
    try {
      const { seq } = await this.#js.publish(this.subject(key), operation === "PUT" ? text : "", {
        timeout: REQUEST_MS,
        expect: { lastSubjectSequence: revision },
        ...(operation !== "PUT" && { headers: markerOf(operation) }),
        ...(lifeMs < Infinity && { headers: lifeOf(lifeMs) }),
      });
      this.#revisions.set(key, seq);
      change.acknowledged();
      return true;
    } catch (error) {
      this.#revisions.delete(key);
      if (codeOf(error) === WRONG_LAST_SEQUENCE) change.rejected();
      else change.unanswered();
      return false;
    }
  }

  /** A new value for each key, as far as NATS answers. */
  async fill(random: Random, keys: readonly string[] = this.keys): Promise<void> {
    for (const key of keys) await this.write(random, key);
  }

  /** What the bucket holds, key by key; undefined when there is no such bucket. */
  async read(): Promise<Map<string, LiveValue> | undefined> {
    const values = new Map<string, LiveValue>();
    try {
      const info = await this.#jsm.streams.info(this.stream, { subjects_filter: ">" });
      for (const subject of Object.keys(info.state.subjects ?? {})) {
        const message = await this.#jsm.streams.getMessage(this.stream, {
          last_by_subj: subject,
        });
        if (isMarker(message.header)) continue;
        const key = subject.slice(this.subject("").length);
        values.set(key, { text: message.string(), revision: message.seq });
      }
    } catch (error) {
      if (codeOf(error) === STREAM_NOT_FOUND) return undefined;
      throw error;
    }
    return values;
  }

  /** Asks NATS what every key holds, after something that may have taken values away, or back. */
  async observe(): Promise<void> {
    const values = await this.read();
    this.forget();
    for (const key of this.keys) {
      this.#oracle.observed(this.name, key, valueOf(values?.get(key)?.text), this.#restored);
    }
    this.#restored = undefined;
  }

  /** A value's own time to live, in milliseconds. */
  #life(random: Random): number {
    return this.plan.ownTtl && random.chance(0.5) ? random.int(1, 4) * 1_000 : Infinity;
  }

  async #lastRevision(key: string): Promise<number | undefined> {
    let message: StoredMsg | undefined;
    try {
      const query = { last_by_subj: this.subject(key) };
      message = await this.#jsm.streams.getMessage(this.stream, query);
    } catch (error) {
      if (codeOf(error) !== MESSAGE_NOT_FOUND) return undefined;
    }
    if (this.#restored !== undefined) {
      // The write that follows replaces it before all keys are asked.
      const live = message === undefined || isMarker(message.header) ? undefined : message;
      this.#oracle.observed(this.name, key, valueOf(live?.string()), this.#restored);
    }
    return message?.seq ?? 0;
  }
}

/** JetStream's own code of an error, if it comes from there. */
export function codeOf(error: unknown): number | undefined {
  return error instanceof NatsError ? error.api_error?.err_code : undefined;
}

function valueOf(text: string | undefined): Value {
  return text === undefined ? null : (JSON.parse(text) as { n: number }).n;
}

function lifeOf(ms: number): MsgHdrs {
  const life = headers();
  life.set("Nats-TTL", `${ms / 1_000}s`);
  return life;
}

function markerOf(operation: string): MsgHdrs {
  const marker = headers();
  marker.set("KV-Operation", operation);
  if (operation === "PURGE") marker.set("Nats-Rollup", "sub");
  return marker;
}

function isMarker(header: MsgHdrs): boolean {
  const operation = header.get("KV-Operation");
  return operation === "DEL" || operation === "PURGE" || header.has("Nats-Marker-Reason");
}
