import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { silentLogger } from "../../../src/common/logger.ts";
import type { BucketDemand } from "../../../src/policy/bucket-demand.ts";
import { readBundle } from "../../../src/policy/bundle.ts";
import { PolicyEngine } from "../../../src/policy/engine.ts";
import { PolicyStore } from "../../../src/store/policy-store.ts";
import { decodeValue, type StoredValue } from "../../../src/store/value.ts";
import { demandOn } from "./demand.ts";

describe("what a policy prints", () => {
  const store = new PolicyStore();
  const printed: [details: object, text: string][] = [];
  const demand: BucketDemand = {
    ...demandOn(store),
    load: async (bucket) => {
      const document = store.createDocument(bucket);
      const value = decodeValue(Buffer.from('"there"'), 1) as StoredValue;
      document.apply({ key: "key", revision: 1, value });
      document.followed(1);
      await store.transact((tx) => tx.mount(bucket, {}, document));
    },
  };
  const engine = new PolicyEngine({
    store,
    demand,
    queryTimeoutMs: 10_000,
    limits: { timeoutMs: 60_000 },
    logger: { ...silentLogger, info: (details, text) => printed.push([details, text]) },
  });
  const texts = (): string[] => printed.map(([, text]) => text);
  const decide = (rule: string, input: unknown, strict = false): Promise<string | undefined> =>
    engine.decide(`printing/${rule}`, JSON.stringify(input), { strictBuiltinErrors: strict });

  beforeAll(async () => engine.activate(await readBundle("test/policies/print/bundle.tar.gz")));
  beforeEach(() => printed.splice(0));

  it("goes to the log as OPA writes it, with the decision that printed it", async () => {
    expect(await decide("texts", { list: [1, 2, "x"] })).toBe("true");
    expect(printed).toEqual(
      [
        'text 1.50 true null <undefined> {1, "b"} [1, 2, "x"] {"a": "b"}',
        '1 of [1, 2, "x"]',
        '2 of [1, 2, "x"]',
        'x of [1, 2, "x"]',
      ].map((text) => [{ print: "printing/texts" }, text]),
    );
    printed.splice(0);
    await decide("never", {});
    expect(texts()).toEqual([""]);
  });

  it("is printed once, though an answer with sets takes two evaluations", async () => {
    expect(JSON.parse((await decide("set", {}))!)).toEqual([1, 2]);
    expect(texts()).toEqual(["a set"]);
  });

  it("is printed for every value that an argument has", async () => {
    await decide("few", {});
    expect(texts()).toEqual([
      '[[], [1, "a"]] and [[], []]',
      "[[0], 1] and [[], []]",
      '[[1], "a"] and [[], []]',
    ]);
  });

  it("is printed once, though the policy is evaluated again for a bucket that it waits for", async () => {
    expect(await decide("waits", { bucket: "b" })).toBe('"there"');
    expect(texts()).toEqual(["before b", "after there"]);
  });

  it("is printed also when the decision fails", async () => {
    await expect(decide("fails", { text: "seven" }, true)).rejects.toThrow("to_number");
    expect(texts()).toEqual(["trying"]);
  });

  it("is no more than a log can take", async () => {
    expect(await decide("many", {})).toBe("true");
    expect(texts().length).toBeLessThan(1_100);
    expect(texts().slice(0, 2)).toEqual(["1", "2"]);
    expect(texts().at(-1)).toBe("... and more, which is not shown");
    printed.splice(0);
    await decide("long", { text: `${"x".repeat(8_191)}😀${"y".repeat(1_000_000)}` });
    expect(texts()).toEqual([`${"x".repeat(8_191)}...`]);
    printed.splice(0);
    await decide("choices", { list: Array.from({ length: 1_000 }, (_, item) => item) });
    expect(texts().length).toBeLessThan(1_100);
    expect(texts().at(-1)).toBe("... and more, which is not shown");
  });
});
