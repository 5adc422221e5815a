import { Histogram, Registry } from "prom-client";
import { expect, test } from "vitest";
import { Durations } from "../../../src/metrics/durations.ts";

const BOUNDS = [1e-5, 0.01, 1];
const OPTIONS = {
  name: "took_seconds",
  help: "How long it took.",
  labelNames: ["path", "outcome"],
};

test("durations are written as prom-client writes its own histogram", async () => {
  const ours = new Registry();
  const theirs = new Registry();
  const durations = new Durations(ours, { ...OPTIONS, bounds: BOUNDS });
  const histogram = new Histogram({ ...OPTIONS, buckets: BOUNDS, registers: [theirs] });
  const observed: [seconds: number, path: string, outcome: string][] = [
    [0, "a/b", "defined"],
    [1e-5, "a/b", "defined"],
    [1.1e-5, "a/b", "undefined"],
    [0.01, 'quo"te', "defined"],
    [1, "a/b", "defined"],
    [7, "a/b", "defined"],
  ];
  for (const [seconds, path, outcome] of observed) {
    durations.observe(seconds, path, outcome);
    histogram.observe({ path, outcome }, seconds);
  }
  const merged = Registry.merge([ours]);
  expect(await merged.metrics()).toBe(await theirs.metrics());
});
