import type { Histogram, Registry } from "prom-client";

interface Series {
  /** The labels' values, in the order of their names. */
  readonly values: readonly string[];
  /** How many were as long as each bucket at most and longer than the one before; the last: longer than all. */
  readonly counts: Float64Array;
  sum: number;
}

/** A line of prom-client's answer. */
interface Line {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/**
 * A Prometheus histogram of durations for what happens thousands of times a second. prom-client's own spends
 * several microseconds on every observation, as it finds buckets by the text of their bounds.
 */
export class Durations {
  readonly name: string;
  readonly help: string;
  readonly #bounds: readonly number[];
  readonly #labelNames: readonly string[];
  /** By the labels' values. */
  readonly #series = new Map<string, Series>();
  /** What was observed last is mostly what is observed next. */
  #last: Series | undefined;

  /** `bounds`: the buckets' upper ones in seconds, rising. */
  constructor(
    registry: Registry,
    options: {
      readonly name: string;
      readonly help: string;
      readonly labelNames: readonly string[];
      readonly bounds: readonly number[];
    },
  ) {
    this.name = options.name;
    this.help = options.help;
    this.#labelNames = options.labelNames;
    this.#bounds = options.bounds;
    // The registry asks a metric for nothing but its name and `get`.
    registry.registerMetric(this as unknown as Histogram);
  }

  /** `labels` are the values in the order of their names. */
  observe(seconds: number, ...labels: readonly string[]): void {
    const series = this.#seriesOf(labels);
    let bucket = 0;
    while (bucket < this.#bounds.length && seconds > this.#bounds[bucket]!) bucket++;
    series.counts[bucket]!++;
    series.sum += seconds;
  }

  #seriesOf(values: readonly string[]): Series {
    const last = this.#last;
    if (last?.values.every((value, index) => value === values[index])) return last;
    // No label's value has a line break: they are routes, methods, codes and entrypoints.
    const key = values.join("\n");
    const known = this.#series.get(key);
    const series = known ?? { values, counts: new Float64Array(this.#bounds.length + 1), sum: 0 };
    if (known === undefined) this.#series.set(key, series);
    this.#last = series;
    return series;
  }

  /** What prom-client writes into its answer. */
  async get(): Promise<{ name: string; help: string; type: string; values: Line[] }> {
    const values = [...this.#series.values()].flatMap((series) => this.#linesOf(series));
    return { name: this.name, help: this.help, type: "histogram", values };
  }

  #linesOf({ values, counts, sum }: Series): Line[] {
    const { name } = this;
    const labels = Object.fromEntries(
      values.map((value, index) => [this.#labelNames[index]!, value]),
    );
    let count = 0;
    const buckets = [...counts].map((own, index) => {
      count += own;
      const le = this.#bounds[index] ?? "+Inf";
      return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: count };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: sum },
      { metricName: `${name}_count`, labels, value: count },
    ];
  }
}
