import { describe, expect, test } from "vitest";
import { problemsIn } from "./refuse.ts";

/** [a rule of plugins.nats.staleness, the one problem] */
type Case = readonly [unknown, string];

describe("C5 plugins.nats.staleness", () => {
  test.each<Case>([
    [{}, '.max_staleness: is missing; write "1m"'],
    [{ max_staleness: "1s" }, '.max_staleness = "1s": must be at least 2s; write "1m"'],
    [{ max_staleness: "0" }, '.max_staleness = "0": must be at least 2s; write "1m"'],
    [
      { max_staleness: 10 },
      '.max_staleness = 10: a duration is text with a unit; write "10s", or another such as "1h30m"',
    ],
    [
      { max_staleness: "10" },
      '.max_staleness = "10": not a duration; write "1m", "250ms" or "1h30m"',
    ],
    [
      { max_staleness: "10s", on_stale: "deny" },
      '.on_stale = "deny": must be one of: serve, flag, hide, unavailable',
    ],
    [
      { max_staleness: "10s", on_stale: true },
      ".on_stale = true: must be one of: serve, flag, hide, unavailable",
    ],
    [
      { max_staleness: "10s", buckets: ["a.b"] },
      '.buckets[0] = "a.b": must be a bucket name or a pattern; use letters, digits, -, _ and * only',
    ],
    [
      { max_staleness: "10s", buckets: "a.b" },
      '.buckets = "a.b": must be a list; write [...] around it',
    ],
    [{ max_staleness: "10s", max_stalenes: "10s" }, ".max_stalenes: unknown key; remove it"],
    [{ max_staleness: "10s", ["__proto__"]: 1 }, ".__proto__: unknown key; remove it"],
    ["admin-*", ": the value must be a map of keys"],
  ])("C5 refuses the rule %j", (rule, problem) => {
    expect(problemsIn({ plugins: { nats: { staleness: [rule] } } })).toEqual([
      `plugins.nats.staleness[0]${problem}`,
    ]);
  });

  test("C5 says every problem of every rule", () => {
    const staleness = [{ max_staleness: "10s" }, { max_staleness: "1ms", on_stale: "" }];
    expect(problemsIn({ plugins: { nats: { staleness } } })).toEqual([
      'plugins.nats.staleness[1].max_staleness = "1ms": must be at least 2s; write "1m"',
      'plugins.nats.staleness[1].on_stale = "": must be one of: serve, flag, hide, unavailable',
    ]);
  });
});
