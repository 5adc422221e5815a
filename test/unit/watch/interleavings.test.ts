import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Action, KEYS, NAMES, Play, seen } from "./support/play.ts";

const RUNS = Number(process.env["FC_RUNS"] ?? 500);

/** What a property of interleavings must have come across to mean anything. */
const EVENTS = [
  "commit",
  "left out",
  "repair",
  "lru",
  "idle",
  "manual",
  "BRIDGE_STOPPING",
  "BUCKET_NOT_FOUND",
  "BUCKET_FORBIDDEN",
  "BUCKET_OVER_BUDGET",
  "BUCKET_LOAD_TIMEOUT",
  "WATCHERS_ALL_PINNED",
];

const name = fc.constantFrom(...NAMES);
const key = fc.constantFrom(...KEYS);
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({ do: fc.constant("create" as const), name, waits: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("use" as const), name }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("prove" as const), name }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("evict" as const), name }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("renew" as const), name }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("pin" as const), name }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("unpin" as const), name }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("put" as const), name, key, value: fc.nat(9) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("delete" as const), name, key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("vanish" as const), name, key }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("again" as const), name, key, other: key }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("gap" as const), name }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("make" as const), name }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("remove" as const), name }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("forbid" as const), name }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("allow" as const), name }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.constantFrom(10, 600, 4_000) }),
  },
);
const schedule = fc.record({
  s: fc.scheduler(),
  actions: fc.array(action, { minLength: 20, maxLength: 60, size: "max" }),
  callers: fc.integer({ min: 1, max: 4 }),
  pieces: fc.infiniteStream(fc.integer({ min: 1, max: 4 })),
  root: fc.boolean(),
  maxBucketWatchers: fc.integer({ min: 1, max: 3 }),
  maxConcurrentLoads: fc.integer({ min: 1, max: 3 }),
  maxBucketKeys: fc.constantFrom(2, 100),
  /** After how many actions the manager is stopped, if that is not after all of them. */
  stopAt: fc.oneof(
    { weight: 2, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.nat(60) },
  ),
});
/** `FC_SEED` and `FC_PATH`, which a failure prints, play it again. */
function replay(): { seed?: number; path?: string; endOnFailure?: boolean } {
  const { FC_SEED: seed, FC_PATH: path } = process.env;
  return {
    ...(seed !== undefined && { seed: Number(seed) }),
    ...(path !== undefined && { path, endOnFailure: true }),
  };
}

describe("any order of what may happen to a manager, its watchers and the store", () => {
  it(
    `W1 to W6 one live watcher for each bucket, no orphaned and no missing data, nothing after stop (${RUNS} schedules)`,
    { timeout: 60_000 + RUNS * 100 },
    async () => {
      await fc.assert(
        fc.asyncProperty(schedule, async (plan) => {
          const play = new Play(plan);
          const stops = plan.stopAt !== null;
          const actions = [...plan.actions];
          if (plan.stopAt !== null) actions.splice(plan.stopAt, 0, { do: "stop" });
          play.plan(actions, plan.callers);
          await play.quiet();
          expect(play.problems(stops)).toEqual([]);
          play.stop();
          await play.drain();
          expect(play.problems(true)).toEqual([]);
        }),
        { numRuns: RUNS, ...replay() },
      );
      const unseen = RUNS < 500 ? [] : EVENTS.filter((event) => !seen.has(event));
      expect(unseen).toEqual([]);
    },
  );
});
