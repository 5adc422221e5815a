import { describe, expect, it } from "vitest";
import { ResyncPace } from "../../../src/watch/retry.ts";

const pace = (cooldownMs = 5_000, random = 0): ResyncPace =>
  new ResyncPace(cooldownMs, () => random);

/** What is waited after a stream that ended by itself. */
const waitMs = (of: ResyncPace, followedMs: number | undefined): number =>
  of.waitMs({ followedMs, cause: undefined });

/** What is waited after a connection that was lost and is back. */
const backMs = (of: ResyncPace, followedMs: number | undefined): number =>
  of.waitMs({ followedMs, cause: "reconnect" });

describe("the pace of loading a bucket again", () => {
  it("O12 O18 the first gap after a quiet time is closed at once, whatever other watchers have seen", () => {
    expect(waitMs(pace(), 60_000)).toBe(0);
    expect(waitMs(pace(), 1)).toBe(0);
  });

  it("O23 gaps within the cooldown wait longer and longer, up to half a minute", () => {
    const flapping = pace();
    const waits = Array.from({ length: 10 }, () => waitMs(flapping, 4_999));
    expect(waits).toEqual([0, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000, 15_000]);
  });

  it("O63 what counts is for how long a stream was followed, not what came of it", () => {
    const made = pace();
    waitMs(made, 1);
    waitMs(made, 1);
    // An idle bucket has delivered nothing all this time.
    expect(waitMs(made, 5_000)).toBe(0);
    expect(waitMs(made, 1)).toBe(500);
  });

  it("O1 a load that was never complete is not tried again at once", () => {
    const failing = pace();
    expect([waitMs(failing, undefined), waitMs(failing, undefined)]).toEqual([250, 500]);
    expect(waitMs(pace(0), undefined)).toBe(250);
  });

  it("O23 a cooldown of 0 switches it off", () => {
    const off = pace(0);
    expect(Array.from({ length: 5 }, () => waitMs(off, 0))).toEqual([0, 0, 0, 0, 0]);
    expect(backMs(off, 0)).toBe(0);
  });

  it("C1 R3 a connection that comes back never makes a bucket wait longer than half a second, however often", () => {
    const flapping = pace();
    const waits = [60_000, 100, 0, 499, 500, undefined, 4_999].map((followedMs) =>
      backMs(flapping, followedMs),
    );
    expect(waits).toEqual([0, 400, 500, 1, 0, 500, 0]);
  });

  it("R3 what streams have failed of before the connection was lost is over; what they fail of later counts", () => {
    const failing = pace();
    for (let failures = 0; failures < 6; failures++) waitMs(failing, undefined);
    expect(backMs(failing, 10_000)).toBe(0);
    expect([waitMs(failing, undefined), waitMs(failing, 10)]).toEqual([250, 500]);
  });

  it("O8 a fleet that has lost the same server spreads its loads over a fifth of a second", () => {
    const waits = [0, 0.25, 0.5, 0.999].map((random) => backMs(pace(5_000, random), 60_000));
    expect(waits).toEqual([0, 50, 100, 199.8]);
  });
});
