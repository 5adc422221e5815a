import { afterEach, expect, it, vi } from "vitest";
import { ChangeFeed } from "../../../src/feed/change-feed.ts";
import { CommitLog } from "../../../src/feed/commit-log.ts";
import { PolicyStore } from "../../../src/store/policy-store.ts";
import { Writer } from "./store-kit.ts";
import { readTo } from "./subscribing.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

it("J20 a change is made into text once, however many are told of it", async () => {
  const writer = new Writer();
  using feed = new ChangeFeed(writer.store);
  await writer.mount("a");
  const subscriptions = Array.from({ length: 50 }, () => feed.subscribe());
  for (const one of subscriptions) await readTo(one, "hello");
  const stringify = vi.spyOn(JSON, "stringify");
  await writer.put("a", "told-once");
  for (const one of subscriptions) {
    expect((await readTo(one, "change")).at(-1)!.text).toContain('"key":"told-once"');
    one.close();
  }
  expect(stringify.mock.calls.filter(([value]) => value === "told-once")).toHaveLength(1);
});

/** A store that doesn't tell of one of its commits. */
class Leaky extends PolicyStore {
  readonly #untold: number;

  constructor(untold: number) {
    super();
    this.#untold = untold;
  }

  override onCommit(listener: Parameters<PolicyStore["onCommit"]>[0]): () => void {
    return super.onCommit((commit) => {
      if (commit.version !== this.#untold) listener(commit);
    });
  }
}

it("J23 a commit that was not heard of is a gap that every reader is told of, never one that is passed over", async () => {
  const writer = new Writer(new Leaky(4));
  using feed = new ChangeFeed(writer.store);
  await writer.mount("a");
  using plain = feed.subscribe();
  using withSnapshots = feed.subscribe({ snapshot: true });
  await readTo(plain, "hello");
  await readTo(withSnapshots, "complete");
  for (const key of ["two", "three", "four", "five"]) await writer.put("a", key);
  const [end] = await readTo(plain, "end");
  expect(JSON.parse(end!.text)).toMatchObject({ reason: "overtaken", floor: feed.floor });
  expect(feed.floor).toMatch(/:4$/);
  const frames = await readTo(withSnapshots, "complete");
  expect(frames.map(({ type }) => type)).toEqual(["snapshot", "entries", "complete"]);
  const keys = ["five", "four", "three", "two"].map((key) => `"key":"${key}"`);
  for (const key of keys) expect(frames[1]!.text).toContain(key);
});

it("J23 what the log keeps is dense, whatever it is given", () => {
  const log = new CommitLog({ maxCommits: 3, maxBytes: 1e6 }, 10);
  const kept = (): number[] =>
    Array.from({ length: 40 }, (_, version) => version).filter((version) => log.get(version));
  for (const version of [11, 12, 15, 16]) log.append({ version, changes: [] });
  expect([log.floor, log.head, log.size, kept()]).toEqual([14, 16, 2, [15, 16]]);
  for (const version of [17, 18]) log.append({ version, changes: [] });
  expect([log.floor, log.head, log.size, kept()]).toEqual([15, 18, 3, [16, 17, 18]]);
  const { bytes } = log;
  log.append({ version: 30, changes: [] });
  expect([log.floor, log.head, kept(), log.bytes]).toEqual([29, 30, [30], bytes / 3]);
});
