import { connect } from "nats";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import {
  type LogCollector,
  type LogEvent,
  startLogCollector,
} from "../../support/log-collector.ts";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { AT_ONCE, startLogged } from "./kit.ts";

let nats: NatsServer;
let collector: LogCollector;

beforeAll(async () => {
  nats = await startNatsServer();
  const client = await connect({ servers: nats.url });
  const kv = await client.jetstream().views.kv("team");
  await kv.put("small", '{"role":"admin","id":9007199254740993}');
  await kv.put("large", JSON.stringify("x".repeat(40_000)));
  await client.close();
});

afterAll(() => nats.stop());

beforeEach(async () => {
  collector = await startLogCollector();
});

afterEach(() => collector.stop());

function options(on: object): Parameters<typeof startLogged>[1] {
  const services = { logs: { url: collector.url } };
  return { services, decision_logs: { reporting: AT_ONCE, ...on } };
}

async function logged(count: number): Promise<LogEvent[]> {
  await vi.waitFor(() => expect(collector.events()).toHaveLength(count), 10_000);
  return collector.events();
}

describe("nd_builtin_cache", () => {
  it("L1 shows what builtins that are not deterministic answered, by their arguments, as OPA does", async () => {
    await using service = await startLogged(nats, options({ nd_builtin_cache: true }));
    const { result } = await service.decide("app/chance", '{"seed":"a"}');
    const { now, number, again } = result as Record<"now" | "number" | "again", number>;
    expect(again).toBe(number);
    await service.decide("app/kept", '{"bucket":"team","key":"small"}');
    await service.decide("app/echo", "1");
    const [chance, kept, echo] = await logged(3);
    expect(chance!["nd_builtin_cache"]).toEqual({
      "time.now_ns": { "[]": now },
      "rand.intn": { '["a",1000]': number },
    });
    // The answer of the evaluation that made the decision; the one before had to wait for the bucket.
    expect(kept).toMatchObject({
      nd_builtin_cache: {
        "nats.kv.get_data": { '["team","small"]': { role: "admin" } },
      },
    });
    const texts = collector.uploads.map(({ text }) => text).join("");
    expect(texts.match(/9007199254740993/g)).toHaveLength(2);
    expect(echo).not.toHaveProperty("nd_builtin_cache");
  });

  it("L1 is masked as the rest of the event is", async () => {
    await using service = await startLogged(nats, options({ nd_builtin_cache: true }));
    await service.decide("app/chance", '{"seed":"a","hide_numbers":true}');
    const [event] = await logged(1);
    expect(event!["erased"]).toEqual(["/nd_builtin_cache/rand.intn"]);
    expect(Object.keys(event!["nd_builtin_cache"] as object)).toEqual(["time.now_ns"]);
  });

  it("L1 is left out, and counted, where it is too long; the event is logged all the same", async () => {
    await using service = await startLogged(nats, options({ nd_builtin_cache: true }));
    await service.decide("app/kept", '{"bucket":"team","key":"large"}');
    const [event] = await logged(1);
    expect(event).not.toHaveProperty("nd_builtin_cache");
    await vi.waitFor(() =>
      expect(service.bridge.status().decisionLog).toMatchObject({
        decision_logs_nd_builtin_cache_dropped: 1,
        delivered: 1,
      }),
    );
  });

  it("L1 is off by default, and on with OPA's key at the top of the configuration", async () => {
    await using off = await startLogged(nats, options({}));
    await off.decide("app/chance", '{"seed":"a"}');
    await using on = await startLogged(nats, { ...options({}), nd_builtin_cache: true });
    await on.decide("app/chance", '{"seed":"a"}');
    const [first, second] = await logged(2);
    expect([first, second].map((event) => "nd_builtin_cache" in event!)).toEqual([false, true]);
  });
});
