import { bundlesOf } from "../../bundles/bundles-of.ts";
import { silentLogger } from "../../common/logger.ts";
import type { BridgeConfig } from "../../config/types.ts";
import { BridgeError, isBridgeError, messageOf, quote } from "../../errors.ts";
import type { BucketSource } from "../../nats/bucket-source.ts";
import { bucketsOf } from "../../nats/bucket-source-of.ts";
import type { NatsLink } from "../../nats/connection.ts";
import { objectsOf } from "../../nats/object-store.ts";
import type { BucketDemand } from "../../policy/bucket-demand.ts";
import { PolicyEngine } from "../../policy/engine.ts";
import { PolicyStore } from "../../store/policy-store.ts";
import { BucketRules } from "../../watch/bucket-rules.ts";
import { type JsonDifference, jsonDifferences } from "./differences.ts";
import type { LoggedDecision } from "./event-line.ts";
import { type BucketHistory, documentAt, readHistory } from "./history.ts";

/** What a decision of the log comes to now. */
export interface Replayed {
  readonly decisionId: string;
  readonly path: string;
  /** `unknown`: it can't be told; `reasons` say why. */
  readonly verdict: "same" | "differs" | "unknown";
  readonly differences?: readonly JsonDifference[];
  /** What the comparison suffers from. */
  readonly reasons: readonly string[];
}

/** Makes decisions again, with the buckets as they were. */
export class Replayer implements AsyncDisposable {
  readonly #config: BridgeConfig;
  readonly #source: BucketSource;
  readonly #store: PolicyStore;
  readonly #engine: PolicyEngine;
  readonly #bundles: ReturnType<typeof bundlesOf>;
  readonly #onProgress: (text: string) => void;
  readonly #histories = new Map<string, Promise<BucketHistory>>();
  /** The revision and time of what is mounted. */
  readonly #mounted = new Map<string, string>();
  /** Whether the decision under way has asked for a bucket by name. */
  #asked = false;

  constructor(config: BridgeConfig, link: NatsLink, onProgress: (text: string) => void) {
    this.#config = config;
    this.#source = bucketsOf(link);
    this.#onProgress = onProgress;
    this.#store = new PolicyStore({ rootBucket: config.watch.rootBucket });
    const demand = this.#demand();
    this.#engine = new PolicyEngine({ store: this.#store, demand, ...config.policy });
    const bundles = config.bundles.map((bundle) => ({ ...bundle, persist: false }));
    this.#bundles = bundlesOf(
      { ...config, bundles },
      {
        activate: (bundle, name) => this.#engine.activate(bundle, name),
        objects: objectsOf(link),
        logger: silentLogger,
      },
    );
  }

  /** Resolves when the bundles are active; rejects with why one can't be. */
  async start(): Promise<void> {
    const { local, all } = this.#bundles.start();
    await Promise.all([local, all]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#bundles.stop();
    this.#engine.close();
  }

  async replay(event: LoggedDecision): Promise<Replayed> {
    const { decisionId, path, masked, buckets } = event;
    const told = { decisionId, path };
    if (masked.length > 0) {
      const reason = `the log shows the event without ${masked.join(", ")}`;
      return { ...told, verdict: "unknown", reasons: [reason] };
    }
    const lost = await this.#mount(buckets ?? new Map(), event.timeMs);
    if (lost.length > 0) return { ...told, verdict: "unknown", reasons: lost };
    this.#asked = false;
    const { result, errorCode } = await this.#decide(event);
    const reasons = this.#reasons(event);
    if (errorCode !== event.errorCode) {
      const differences = [
        {
          at: "",
          before: outcome(event.errorCode, event.result),
          after: outcome(errorCode, result),
        },
      ];
      return { ...told, verdict: "differs", differences, reasons };
    }
    const differences = jsonDifferences(event.result, result);
    if (differences.length === 0) return { ...told, verdict: "same", reasons: [] };
    if (buckets === undefined && (this.#asked || this.#config.watch.rootBucket !== "")) {
      const reason =
        "the event does not tell the revisions of the buckets (custom.buckets), so they are missing here";
      return { ...told, verdict: "unknown", reasons: [reason, ...reasons] };
    }
    return { ...told, verdict: "differs", differences, reasons };
  }

  async #decide({
    path,
    input,
  }: LoggedDecision): Promise<{ result?: string | undefined; errorCode?: string }> {
    try {
      const names = path.split("/").filter((name) => name !== "");
      return { result: await this.#engine.decide(names, input) };
    } catch (error) {
      if (isBridgeError(error)) return { errorCode: error.code };
      throw error;
    }
  }

  /** What may be another cause of a difference than the buckets. */
  #reasons({ bundles }: LoggedDecision): string[] {
    const active = this.#engine.policy?.revisions ?? new Map<string, string>();
    const revisions = new Set(active.values());
    return [...bundles]
      .filter(([, revision]) => !revisions.has(revision))
      .map(([name, revision]) => {
        const now = [...revisions].map(quote).join(", ");
        return `the decision was made with revision ${quote(revision)} of bundle ${quote(name)}, this one with ${now}`;
      });
  }

  /** Shows the policies these buckets at these revisions and no others; the answer is why that can't be. */
  async #mount(buckets: ReadonlyMap<string, number>, timeMs: number): Promise<string[]> {
    const reasons: string[] = [];
    for (const name of this.#mounted.keys()) if (!buckets.has(name)) await this.#unmount(name);
    for (const [name, revision] of buckets) {
      try {
        const reason = await this.#mountOne(name, revision, timeMs);
        if (reason !== undefined) reasons.push(`bucket ${quote(name)}: ${reason}`);
      } catch (error) {
        if (!isBridgeError(error)) throw error;
        reasons.push(`bucket ${quote(name)}: ${messageOf(error)}`);
      }
    }
    return reasons;
  }

  async #mountOne(bucket: string, revision: number, timeMs: number): Promise<string | undefined> {
    const history = await this.#historyOf(bucket);
    // Without an age, what was there at a revision was there at any time.
    const expires = [...history.keys.values()].some((values) =>
      values.some(({ expiresMs }) => Number.isFinite(expiresMs)),
    );
    const place = expires ? `${revision} ${timeMs}` : String(revision);
    if (this.#mounted.get(bucket) === place) return undefined;
    await this.#unmount(bucket);
    const empty = this.#store.createDocument(bucket);
    const document = documentAt(history, empty, revision, timeMs);
    if ("lost" in document) return document.lost;
    const undo = await this.#store.prepare(bucket, document);
    try {
      await this.#store.transact((tx) => tx.mount(bucket, this, document));
    } catch (error) {
      undo();
      throw error;
    }
    this.#mounted.set(bucket, place);
    return undefined;
  }

  async #unmount(bucket: string): Promise<void> {
    if (!this.#mounted.delete(bucket)) return;
    await this.#store.transact((tx) => tx.unmount(bucket, this));
  }

  #historyOf(bucket: string): Promise<BucketHistory> {
    const { watch } = this.#config;
    let history = this.#histories.get(bucket);
    if (history === undefined) {
      // The name comes from a file.
      if (bucket !== watch.rootBucket) new BucketRules(watch).check(bucket);
      const limits = { timeoutMs: watch.loadTimeoutMs, maxBytes: watch.maxBucketBytes };
      history = readHistory(this.#source, bucket, limits, (values) =>
        this.#onProgress(`bucket ${bucket}: ${values} values`),
      );
      this.#histories.set(bucket, history);
    }
    return history;
  }

  /** What was not watched then is not now. */
  #demand(): BucketDemand {
    const isWatched = (bucket: string): boolean => {
      this.#asked = true;
      return this.#store.hasBucket(bucket);
    };
    const absent = (bucket: string): BridgeError | undefined =>
      isWatched(bucket)
        ? undefined
        : new BridgeError("BUCKET_NOT_FOUND", `The decision did not use bucket ${quote(bucket)}.`);
    return {
      isWatched,
      watch: () => undefined,
      load: async (bucket) => {
        const error = absent(bucket);
        if (error !== undefined) throw error;
      },
      pin: () => () => undefined,
      recentFailure: absent,
      unavailable: () => undefined,
      state: (bucket) => {
        const revision = this.#store.bucket(bucket)?.revision;
        return revision === undefined ? { state: "unwatched" } : { state: "live", revision };
      },
    };
  }
}

/** What has come of a decision, for people. */
function outcome(errorCode: string | undefined, result: string | undefined): string {
  return errorCode === undefined ? (result ?? "undefined") : `error ${errorCode}`;
}
