import { collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { BundleStatus } from "../bundles/bundle-status.ts";
import { telling } from "../common/async.ts";
import { isBridgeError } from "../errors.ts";
import { type DecisionLogFigures, noCounters } from "../decisions/figures.ts";
import type { FeedStatus } from "../feed/change-feed.ts";
import type { ManagerStatus } from "../watch/manager-status.ts";
import type { WriteFigures } from "../writes/write-through.ts";
import { bundleMetrics } from "./bundle-metrics.ts";
import { Durations } from "./durations.ts";
import { Rising } from "./rising.ts";
import { counter, gauge, labelled } from "./series.ts";
import { writeMetrics } from "./write-metrics.ts";

/** How many paths, and how many buckets, have series of their own. */
const MAX_PATHS = 200;
const MAX_BUCKETS = 100;
/** No path and no bucket can be named so. */
const OTHERS = "(other)";

/** Counters of the decision log that no event was lost for. */
const STILL_THERE: ReadonlySet<string> = new Set([
  "delivery_failures",
  "decision_logs_nd_builtin_cache_dropped",
]);

/** What the metrics are read from when they are asked for. */
export interface MetricsSource {
  status(): {
    readonly nats: { readonly state: string; readonly reconnects: number };
    readonly policy: { readonly resident: { readonly heapBytes: number } } | undefined;
    readonly watch: ManagerStatus;
    readonly feed: FeedStatus;
    readonly version: number;
    readonly decisionLog?: DecisionLogFigures;
    readonly writes?: WriteFigures;
    readonly bundles: Readonly<Record<string, BundleStatus>>;
  };
  entrypoints(): readonly string[];
  /** Whether everything configured is there, as `/health/ready` says it. */
  ready(): boolean;
  /** Decisions that wait for buckets now. */
  suspended(): number;
}

/** What the whole process is like is measured once, however many bridges it has. */
let processRegistry: Registry | undefined;

/**
 * The bridge's metrics, in a registry of their own. Other parts may register theirs there. Most are read from the
 * bridge's status when they are asked for; only decisions and requests are counted as they happen.
 */
export class BridgeMetrics {
  /** prom-client's registry of this bridge. */
  readonly registry: Registry = new Registry();
  readonly #decisions: Durations;
  readonly #requests: Durations;
  readonly #paths = new Set<string>();
  readonly #source: MetricsSource;

  /** @hidden */
  constructor(source: MetricsSource) {
    this.#source = source;
    this.#decisions = new Durations(this.registry, {
      name: "nats_opa_bridge_decision_duration_seconds",
      help: "How long decisions took, waiting for buckets included.",
      labelNames: ["path", "outcome"],
      bounds: [1e-5, 5e-5, 1e-4, 5e-4, 1e-3, 0.01, 0.1, 1, 10],
    });
    this.#requests = new Durations(this.registry, {
      name: "http_request_duration_seconds",
      help: "A histogram of duration for requests.",
      labelNames: ["code", "handler", "method"],
      // OPA's own.
      bounds: [1e-6, 5e-6, 1e-5, 5e-5, 1e-4, 5e-4, 1e-3, 0.01, 0.1, 1],
    });
    this.#watching();
    this.#feed();
    this.#nats();
    this.#decisionLog();
    bundleMetrics(this.registry, () => source.status().bundles);
    writeMetrics(this.registry, () => source.status().writes);
  }

  /** Counts a decision and how long it took. The outcome is `defined`, `undefined`, or an error's code. */
  decision(
    path: string | readonly string[],
    decide: () => string | undefined | Promise<string | undefined>,
  ): string | undefined | Promise<string | undefined> {
    const started = performance.now();
    const count = (outcome: string): void => {
      const seconds = (performance.now() - started) / 1_000;
      this.#decisions.observe(seconds, this.#pathLabel(path), outcome);
    };
    return telling(
      decide,
      (result) => count(result === undefined ? "undefined" : "defined"),
      (error) => count(isBridgeError(error) ? error.code : "error"),
    );
  }

  /** Counts a request; the handler is the route's, never the caller's text. */
  request(handler: string, method: string, code: number, seconds: number): void {
    this.#requests.observe(seconds, String(code), handler, method);
  }

  /** All metrics, with those of the process, in Prometheus' text format. */
  async text(): Promise<{
    /** What a scrape is answered. */
    text: string;
    /** For the header. */
    contentType: string;
  }> {
    if (processRegistry === undefined) {
      processRegistry = new Registry();
      collectDefaultMetrics({ register: processRegistry });
    }
    const all = Registry.merge([this.registry, processRegistry]);
    return { text: await all.metrics(), contentType: all.contentType };
  }

  /** Callers name paths, so only those of entrypoints are told apart. */
  #pathLabel(path: string | readonly string[]): string {
    const text = typeof path === "string" ? path.replace(/^\//, "") : path.join("/");
    // Most decisions are asked for by an entrypoint's very name, and nearly always one seen before.
    if (this.#paths.has(text)) return text;
    const found = this.#source.entrypoints().find((entrypoint) => {
      return text === entrypoint || text.startsWith(`${entrypoint}/`);
    });
    if (found === undefined) return OTHERS;
    if (!this.#paths.has(found) && this.#paths.size >= MAX_PATHS) return OTHERS;
    this.#paths.add(found);
    return found;
  }

  #watching(): void {
    const { registry } = this;
    const source = this.#source;
    gauge(registry, "ready", "1 while everything configured is there.", () => {
      return source.ready() ? 1 : 0;
    });
    gauge(registry, "suspended_decisions", "Decisions that wait for buckets now.", () =>
      source.suspended(),
    );
    gauge(registry, "watchers", "Buckets that are watched.", () => source.status().watch.watchers);
    gauge(registry, "max_watchers", "Buckets that may be watched.", () => {
      return source.status().watch.maxWatchers;
    });
    gauge(
      registry,
      "watched_bytes",
      "Characters of keys and values of all watched buckets.",
      () => {
        return source.status().watch.bytes;
      },
    );
    gauge(registry, "resident_bytes", "Bytes of the policy's memory that are used.", () => {
      return source.status().policy?.resident.heapBytes ?? 0;
    });
    counter(registry, "bucket_loads_total", "Buckets that were loaded for the first time.", () => {
      return source.status().watch.counts.created;
    });
    counter(registry, "thrash_total", "Buckets loaded again soon after their eviction.", () => {
      return source.status().watch.counts.thrash;
    });
    labelled(
      registry,
      "evictions_total",
      "Watchers that were stopped, by reason.",
      "reason",
      () => {
        const { lru, idle, manual } = source.status().watch.counts;
        return { lru, idle, manual };
      },
    );
    const repairs = new Rising();
    labelled(registry, "repairs_total", "Loads after a gap, by what had happened.", "cause", () => {
      return repairs.read(source.status().watch.buckets);
    });
    const ages = new Gauge({
      name: "nats_opa_bridge_bucket_staleness_seconds",
      help: `How long ago a bucket's copy was last known to be all. The ${MAX_BUCKETS} stalest, and the worst of the others.`,
      labelNames: ["bucket"],
      registers: [registry],
      collect: () => {
        ages.reset();
        const aged = source
          .status()
          .watch.buckets.flatMap(({ bucket, ageMs }) => {
            // A bucket that was not loaded has no copy that could be old.
            return ageMs === undefined ? [] : [{ bucket, age: ageMs / 1_000 }];
          })
          .toSorted((a, b) => b.age - a.age);
        for (const { bucket, age } of aged.slice(0, MAX_BUCKETS)) ages.set({ bucket }, age);
        const other = aged[MAX_BUCKETS];
        if (other !== undefined) ages.set({ bucket: OTHERS }, other.age);
      },
    });
  }

  #feed(): void {
    const { registry } = this;
    const source = this.#source;
    gauge(registry, "feed_subscribers", "Subscribers to the change feed.", () => {
      return source.status().feed.subscribers;
    });
    gauge(
      registry,
      "feed_max_lag_commits",
      "Commits that the slowest subscriber is behind.",
      () => {
        return source.status().feed.maxLag;
      },
    );
    gauge(registry, "feed_log_bytes", "What the feed's log takes, roughly.", () => {
      return source.status().feed.bytes;
    });
    labelled(registry, "feed_ended_total", "Subscriptions that the feed ended.", "reason", () => {
      return source.status().feed.ended;
    });
    counter(registry, "commits_total", "Commits to the store.", () => source.status().version);
  }

  #nats(): void {
    const { registry } = this;
    const source = this.#source;
    gauge(registry, "nats_connected", "1 while the connection to NATS is up.", () => {
      return source.status().nats.state === "connected" ? 1 : 0;
    });
    counter(registry, "nats_reconnects_total", "How often the connection was restored.", () => {
      return source.status().nats.reconnects;
    });
  }

  #decisionLog(): void {
    const { registry } = this;
    const figures = (): DecisionLogFigures | undefined => this.#source.status().decisionLog;
    gauge(registry, "decision_log_waiting_events", "Decision events that wait for a sink.", () => {
      return figures()?.waiting ?? 0;
    });
    gauge(registry, "decision_log_waiting_bytes", "Their bytes.", () => {
      return figures()?.waiting_bytes ?? 0;
    });
    labelled(registry, "decision_log_dropped_total", "Events that were lost.", "reason", () => {
      const counters: Readonly<Record<string, number>> = { ...(figures() ?? noCounters()) };
      const drops = Object.entries(counters).filter(([name]) => /dropped|failure$/.test(name));
      return Object.fromEntries(drops.filter(([name]) => !STILL_THERE.has(name)));
    });
  }
}
