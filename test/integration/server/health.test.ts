import { once } from "node:events";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Worker } from "node:worker_threads";
import { connect } from "nats";
import { describe, expect, it, vi } from "vitest";
import { startNatsServer } from "../../support/nats-server.ts";
import { freePort } from "../../support/ports.ts";
import { sharedNats } from "../../support/shared-nats.ts";
import { BASIC, type Service, startService } from "./service.ts";

const shared = sharedNats();

const HEALTHY = { status: 200, body: {} };

function unhealthy(error: string, ...reasons: unknown[]): object {
  return { status: 500, body: { code: "internal_error", error, message: error, reasons } };
}

describe("R4 /health", () => {
  const every = [
    "",
    "?bundles",
    "?plugins",
    "?bundles=true&plugins=true",
    "?bundle&plugins&exclude-plugin=x",
  ];

  it("is 200 when everything configured is there", async () => {
    await using service = await startService(BASIC, { server_url: shared.nats.url });
    for (const query of every) expect(await service.get(`/health${query}`)).toMatchObject(HEALTHY);
    expect(await service.get("/health", { method: "HEAD" })).toMatchObject({
      status: 200,
      text: "",
    });
  });

  it("is 500 without a policy, however it is asked", async () => {
    await using service = await startService(undefined, { server_url: shared.nats.url });
    expect(await service.get("/health")).toMatchObject(
      unhealthy("unable to perform evaluation", "no policy is active"),
    );
    expect(await service.get("/health?bundles")).toMatchObject(
      unhealthy("not all configured bundles have been activated", "no policy is active"),
    );
    const decision = await service.decide("basic/allow", {});
    expect(decision.status).toBe(500);
  });

  it("is 500 with ?plugins until NATS and the root bucket are there, and then 200", async () => {
    const port = await freePort();
    await using service = await startService(BASIC, {
      server_url: `nats://127.0.0.1:${port}`,
      root_bucket: "late",
      retry_on_failed_connect: true,
    });
    for (const query of [
      "",
      "?bundles",
      "?plugins=false",
      "?plugins=1",
      "?plugins&exclude-plugin=nats&exclude-plugin=x",
    ]) {
      expect(await service.get(`/health${query}`)).toMatchObject(HEALTHY);
    }
    const reasons = [
      expect.stringMatching(/^NATS is not connected/),
      expect.stringMatching(/root bucket late/),
    ];
    expect(await service.get("/health?plugins&exclude-plugin=other")).toMatchObject(
      unhealthy("not all plugins in OK state", ...reasons),
    );
    // What needs no bucket is answered all the same.
    expect((await service.decide("basic/allow", { user: "alice" })).text).toBe('{"result":true}');

    await using late = await startNatsServer({ port });
    const putter = await connect({ servers: late.url });
    const kv = await putter.jetstream().views.kv("late");
    await kv.put("groups", '"here"');
    await putter.close();
    await vi.waitFor(
      async () => {
        expect(await service.get("/health?plugins")).toMatchObject(HEALTHY);
      },
      { timeout: 20_000, interval: 50 },
    );
    expect((await service.get("/v1/data/basic/root")).text).toBe('{"result":"here"}');
  });

  it("says ?plugins is not OK while the service stops, and goes on answering", async () => {
    await using service = await startService(BASIC, { server_url: shared.nats.url });
    service.server.drain();
    expect(await service.get("/health")).toMatchObject(HEALTHY);
    expect(await service.get("/health?plugins&exclude-plugin=nats")).toMatchObject(
      unhealthy("not all plugins in OK state", "the service is stopping"),
    );
    expect((await service.decide("basic/allow", { user: "alice" })).text).toBe('{"result":true}');
  });
});

describe("/v1/status", () => {
  it("names connection, policy and buckets", async () => {
    await using service = await startService(BASIC, { server_url: shared.nats.url });
    expect((await service.get("/v1/status")).body).toMatchObject({
      result: {
        nats: { state: "connected" },
        policy: {
          bundles: { bundle: "basic-1" },
          entrypoints: expect.arrayContaining(["basic/allow"]) as string[],
        },
        watch: { buckets: [], watchers: 0 },
      },
    });
  });
});

describe("N2 /health while the store is busy", () => {
  // In a thread of its own: what is measured is the service, not how busy the test is. When the machine keeps this
  // thread itself waiting, that much is not the service's doing.
  const ASKER = `
    const { parentPort, workerData } = require("node:worker_threads");
    const EVERY_MS = 5;
    let busy = true;
    let asked = 0;
    let late = 0;
    let failed = 0;
    let starvedMs = 0;
    let last = performance.now();
    setInterval(() => {
      const now = performance.now();
      starvedMs += Math.max(0, now - last - 2 * EVERY_MS);
      last = now;
    }, EVERY_MS).unref();
    parentPort.on("message", () => (busy = false));
    (async () => {
      // The first one has to connect, and to warm up.
      await (await fetch(workerData)).text();
      parentPort.postMessage("started");
      while (busy || asked === 0) {
        const starvedBefore = starvedMs;
        const start = performance.now();
        const response = await fetch(workerData);
        if (await response.text() !== "{}") failed++;
        const tookMs = performance.now() - start;
        // The interval's timer has its turn before the thread's own waiting is known.
        await new Promise((resolve) => setTimeout(resolve, 2 * EVERY_MS));
        asked++;
        if (tookMs - (starvedMs - starvedBefore) > 100) late++;
      }
      parentPort.postMessage({ asked, late, failed });
    })();
  `;

  interface Figures {
    readonly asked: number;
    /** Answers that took longer than 100 ms. */
    readonly late: number;
    readonly failed: number;
    /** How long the service's own event loop kept others waiting, 99 of 100 times at most, in milliseconds. */
    readonly stalledMs: number;
  }

  /** Asks one question after the other while `work` goes on. */
  async function askDuring(service: Service, work: () => Promise<unknown>): Promise<Figures> {
    const worker = new Worker(ASKER, { eval: true, workerData: `${service.url}/health?plugins` });
    const loop = monitorEventLoopDelay({ resolution: 5 });
    try {
      await once(worker, "message");
      loop.enable();
      await work();
      loop.disable();
      const figures = once(worker, "message") as Promise<[Omit<Figures, "stalledMs">]>;
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      worker.postMessage("stop");
      return { ...(await figures)[0], stalledMs: loop.percentile(99) / 1e6 };
    } finally {
      await worker.terminate();
    }
  }

  /** All within 100 ms; of many, one in a hundred may have met a machine that was busy with other things. */
  function expectPrompt(figures: Figures): void {
    if (process.env["SHOW_FIGURES"] !== undefined) console.log(figures);
    expect(figures.failed).toBe(0);
    expect(figures.asked).toBeGreaterThan(5);
    expect(figures.late).toBeLessThanOrEqual(Math.floor(figures.asked / 100));
    expect(figures.stalledMs).toBeLessThan(100);
  }

  it("N1 is answered within 100 ms while a writer holds the store, and so are decisions", async () => {
    const kv = await shared.client.jetstream().views.kv("held");
    await kv.put("a", "1");
    await using service = await startService(BASIC, { server_url: shared.nats.url });
    const writer = await service.bridge.store.begin();
    let loaded = false;
    const load = service.bridge.manager.getOrCreateWatcher("held").finally(() => (loaded = true));
    try {
      const figures = await askDuring(service, async () => {
        for (let count = 0; count < 100; count++) {
          const { text } = await service.decide("basic/watched", { bucket: "held" });
          expect(text).toBe('{"result":false}');
        }
      });
      expectPrompt(figures);
      expect(loaded).toBe(false);
    } finally {
      writer.abort();
      await load;
    }
    expect((await service.decide("basic/watched", { bucket: "held" })).text).toBe(
      '{"result":true}',
    );
  });

  it("is answered within 100 ms while a bucket of 30,000 keys is loaded, and while it changes", async () => {
    const keys = 30_000;
    await shared.client.jetstream().views.kv("large");
    const value = new TextEncoder().encode(
      JSON.stringify({ role: "member", tags: ["a", "b"], n: 1 }),
    );
    for (let key = 0; key < keys; key++) {
      shared.client.publish(`$KV.large.group.user-${key}`, value);
      if (key % 5_000 === 0) await shared.client.flush();
    }
    const manager = await shared.client.jetstreamManager();
    await vi.waitFor(
      async () => {
        expect((await manager.streams.info("KV_large")).state.messages).toBe(keys);
      },
      { timeout: 20_000 },
    );

    await using service = await startService(BASIC, { server_url: shared.nats.url });
    const loading = await askDuring(service, () =>
      service.bridge.manager.getOrCreateWatcher("large"),
    );
    const changing = await askDuring(service, async () => {
      for (let key = 0; key < 5_000; key++) {
        shared.client.publish(`$KV.large.group.user-${key}`, value);
        if (key % 100 === 0) await shared.client.flush();
      }
      await vi.waitFor(
        () => {
          const [large] = service.bridge.status().watch.buckets;
          expect(large).toMatchObject({ revision: keys + 5_000 });
        },
        { timeout: 10_000 },
      );
    });
    expectPrompt(loading);
    expectPrompt(changing);
  });
});
