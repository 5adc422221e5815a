import { beforeAll, describe, expect, it, vi } from "vitest";
import { AT_ONCE, sharedCollecting, startLogged } from "./kit.ts";

const shared = sharedCollecting();

beforeAll(async () => {
  await shared.put("team", {
    small: '{"role":"admin","id":9007199254740993}',
    large: JSON.stringify("x".repeat(40_000)),
  });
});

function options(on: object): Parameters<typeof startLogged>[1] {
  const services = { logs: { url: shared.collector.url } };
  return { services, decision_logs: { reporting: AT_ONCE, ...on } };
}

describe("nd_builtin_cache", () => {
  it("L1 shows what builtins that are not deterministic answered, by their arguments, as OPA does", async () => {
    await using service = await startLogged(shared.nats, options({ nd_builtin_cache: true }));
    const { result } = await service.decide("app/chance", '{"seed":"a"}');
    const { now, number, again } = result as Record<"now" | "number" | "again", number>;
    expect(again).toBe(number);
    await service.decide("app/kept", '{"bucket":"team","key":"small"}');
    await service.decide("app/echo", "1");
    const [chance, kept, echo] = await shared.events(3);
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
    const texts = shared.collector.uploads.map(({ text }) => text).join("");
    expect(texts.match(/9007199254740993/g)).toHaveLength(2);
    expect(echo).not.toHaveProperty("nd_builtin_cache");
  });

  it("L1 shows nothing of an evaluation that had to wait and was made again", async () => {
    await using service = await startLogged(shared.nats, options({ nd_builtin_cache: true }));
    const { result } = await service.decide("app/late", '{"bucket":"team","key":"small"}');
    expect(result).toMatchObject({ at: "later", value: { role: "admin" } });
    const [event] = await shared.events(1);
    expect(Object.keys(event!["nd_builtin_cache"] as object)).toEqual(["nats.kv.get_data"]);
  });

  it("L1 is masked as the rest of the event is", async () => {
    await using service = await startLogged(shared.nats, options({ nd_builtin_cache: true }));
    await service.decide("app/chance", '{"seed":"a","hide_numbers":true}');
    const [event] = await shared.events(1);
    expect(event!["erased"]).toEqual(["/nd_builtin_cache/rand.intn"]);
    expect(Object.keys(event!["nd_builtin_cache"] as object)).toEqual(["time.now_ns"]);
  });

  it("L1 is left out, and counted, where it is too long; the event is logged all the same", async () => {
    await using service = await startLogged(shared.nats, options({ nd_builtin_cache: true }));
    await service.decide("app/kept", '{"bucket":"team","key":"large"}');
    const [event] = await shared.events(1);
    expect(event).not.toHaveProperty("nd_builtin_cache");
    await vi.waitFor(() =>
      expect(service.bridge.status().decisionLog).toMatchObject({
        decision_logs_nd_builtin_cache_dropped: 1,
        delivered: 1,
      }),
    );
  });

  it("L1 is off by default, and on with OPA's key at the top of the configuration", async () => {
    await using off = await startLogged(shared.nats, options({}));
    await off.decide("app/chance", '{"seed":"a"}');
    await using on = await startLogged(shared.nats, { ...options({}), nd_builtin_cache: true });
    await on.decide("app/chance", '{"seed":"a"}');
    const [first, second] = await shared.events(2);
    expect([first, second].map((event) => "nd_builtin_cache" in event!)).toEqual([false, true]);
  });
});
