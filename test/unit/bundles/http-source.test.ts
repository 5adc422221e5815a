import { describe, expect, it } from "vitest";
import { HttpSource, type HttpSourceOptions } from "../../../src/bundles/http-source.ts";

const HOUR_MS = 3_600_000;

function sourceWith(more: Partial<HttpSourceOptions>): HttpSource {
  const access = { service: "s", url: new URL("http://127.0.0.1:1/bundle"), headers: {} };
  return new HttpSource({
    access,
    timeoutMs: 1_000,
    minDelayMs: 0,
    maxDelayMs: HOUR_MS,
    longPollingMs: 0,
    maxBytes: 1,
    ...more,
  });
}

describe("the pause between two requests", () => {
  it("is a random time between the two delays", async () => {
    const stop = new AbortController();
    const over: string[] = [];
    const pauses = (
      [
        ["longest", { random: () => 0.999 }],
        ["middle", { random: () => 0.001 }],
        ["least", { minDelayMs: HOUR_MS, random: () => 0 }],
        ["shortest", { random: () => 0 }],
      ] as const
    ).map(async ([name, more]) => {
      await sourceWith(more).pause(stop.signal);
      over.push(name);
    });
    await pauses.at(-1);
    expect(over).toEqual(["shortest"]);
    stop.abort();
    await Promise.all(pauses);
  });
});
