import { describe, expect, it } from "vitest";
import { HttpSource, type HttpSourceOptions } from "../../../src/bundles/http-source.ts";

import { startBundleServer } from "../../support/bundle-server.ts";

const HOUR_MS = 3_600_000;

function sourceWith(more: Partial<HttpSourceOptions>): HttpSource {
  const access = { service: "s", url: new URL("http://127.0.0.1:1/bundle"), headers: {} };
  return new HttpSource({
    access,
    timeoutMs: 1_000,
    minDelayMs: 0,
    maxDelayMs: HOUR_MS,
    longPollingMs: 0,
    maxBytes: 1_000,
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

describe("a service that says that it waits for something new", () => {
  it("is asked again at once; not so when it has neither waited nor anything new", async () => {
    await using server = await startBundleServer();
    server.longPolling = true;
    server.put(Buffer.from("any bundle"));
    const access = { service: "s", url: new URL(server.url), headers: {} };
    const polling = { access, longPollingMs: 60_000, minDelayMs: HOUR_MS };
    const source = sourceWith(polling);
    const stop = new AbortController();
    const found = await source.look(undefined, stop.signal);
    await source.pause(stop.signal);
    server.answer = (_request, response) => {
      const headers = { "content-type": "application/vnd.openpolicyagent.bundles" };
      response.writeHead(304, headers).end();
    };
    expect(await source.look(found!.version, stop.signal)).toBeUndefined();
    const over: string[] = [];
    const pause = source.pause(stop.signal).then(() => over.push("pause"));
    await sourceWith({ random: () => 0 }).pause(stop.signal);
    expect(over).toEqual([]);
    stop.abort();
    await pause;
    source.stop();
  });
});

describe("a slow answer", () => {
  it("may take any time, as long as something comes", async () => {
    await using server = await startBundleServer();
    server.answer = (_request, response) => {
      response.writeHead(200);
      let pieces = 0;
      const timer = setInterval(() => {
        response.write("x");
        if (++pieces < 10) return;
        clearInterval(timer);
        response.end();
      }, 250);
    };
    const access = { service: "s", url: new URL(server.url), headers: {} };
    const source = sourceWith({ access, timeoutMs: 2_000 });
    const found = await source.look(undefined, new AbortController().signal);
    expect(found).toBeDefined();
    source.stop();
  });
});
