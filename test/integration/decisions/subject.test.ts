import { describe, expect, it, vi } from "vitest";
import { sharedNats } from "../../support/shared-nats.ts";
import { AT_ONCE, startLogged } from "./kit.ts";

const shared = sharedNats();

async function stored(stream: string): Promise<{ decision_id: string }[]> {
  const manager = await shared.client.jetstreamManager();
  const { state } = await manager.streams.info(stream);
  const events: { decision_id: string }[] = [];
  for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
    events.push((await manager.streams.getMessage(stream, { seq })).json());
  }
  return events;
}

describe("the decision log on a subject", () => {
  it("L1 waits for a stream and through an outage of NATS, then has every decision once, in order", async () => {
    await using service = await startLogged(shared.nats, {
      decision_logs: {
        nats: { subject: "decisions.log" },
        reporting: { ...AT_ONCE, min_delay_seconds: 0, max_delay_seconds: 1 },
      },
    });
    const figures = () => service.bridge.recording!.log.figures();
    const ids: string[] = [];
    const decide = async (count: number): Promise<void> => {
      for (let index = 0; index < count; index++) {
        const { decision_id: id } = await service.decide("app/allow", `{"n":${index}}`);
        ids.push(id!);
      }
    };
    await decide(3);
    await vi.waitFor(() => expect(figures().delivery_failures).toBeGreaterThanOrEqual(1), 10_000);
    const manager = await shared.client.jetstreamManager();
    await manager.streams.add({ name: "LOG", subjects: ["decisions.>"] });
    await vi.waitFor(() => expect(figures().delivered).toBe(3), 10_000);
    await shared.nats.halt();
    await decide(100);
    expect(figures().waiting).toBeGreaterThanOrEqual(1);
    await shared.nats.start();
    await decide(2);
    await vi.waitFor(
      () =>
        expect([service.bridge.status().nats, figures()]).toMatchObject([
          { state: "connected" },
          { delivered: 105 },
        ]),
      15_000,
    );
    expect((await stored("LOG")).map((event) => event.decision_id)).toEqual(ids);
  }, 40_000);

  it("L1 counts an event that is larger than NATS takes, and goes on with the next", async () => {
    await using service = await startLogged(shared.nats, {
      decision_logs: { nats: { subject: "large.log" }, reporting: AT_ONCE },
    });
    const manager = await shared.client.jetstreamManager();
    await manager.streams.add({ name: "LARGE", subjects: ["large.>"] });
    await service.decide("app/allow", "1");
    await vi.waitFor(() => expect(service.bridge.recording!.log.figures().delivered).toBe(1));
    await service.decide("app/allow", JSON.stringify("x".repeat(1_100_000)));
    await service.decide("app/allow", "3");
    await vi.waitFor(() =>
      expect(service.bridge.recording!.log.figures()).toMatchObject({
        delivered: 2,
        decision_logs_encoding_failure: 1,
      }),
    );
  });
});
