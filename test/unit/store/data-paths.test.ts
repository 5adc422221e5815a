import { describe, expect, test } from "vitest";
import type { KeyChange } from "../../../src/store/bucket-document.ts";
import { PolicyStore } from "../../../src/store/policy-store.ts";
import { ReservedPaths } from "../../../src/store/reserved-paths.ts";

const json = (key: string, text: string): KeyChange => ({
  key,
  revision: 1,
  value: { text, kind: "json" },
});

describe("where buckets stand in data", () => {
  test("N43 N50 S6 an empty bucket that is watched is an empty object", async () => {
    const store = new PolicyStore();
    expect([store.text([]), store.text(["nats", "kv", "x"])]).toEqual([
      '{"nats":{"kv":{}}}',
      undefined,
    ]);
    await store.transact((tx) => tx.mount("x", {}, store.createDocument("x")));
    expect(store.text(["nats", "kv", "x"])).toBe("{}");
    expect(store.text([])).toBe('{"nats":{"kv":{"x":{}}}}');
  });

  test("N43 the root bucket stands at the top, and nowhere else", async () => {
    const store = new PolicyStore({ rootBucket: "r" });
    const document = store.createDocument("r");
    for (const key of ["users.bob", "nats.kv.x", "system"]) document.apply(json(key, "1"));
    const other = store.createDocument("x");
    other.apply(json("nats.system", "2"));
    await store.transact((tx) => {
      tx.mount("r", {}, document);
      tx.mount("x", {}, other);
    });
    expect(store.text([])).toBe('{"nats":{"kv":{"x":{"nats":{"system":2}}}},"users":{"bob":1}}');
    expect(store.text(["users", "bob"])).toBe("1");
    expect(store.text(["nats", "kv", "r"])).toBeUndefined();
    expect(store.text(["nats", "other"])).toBeUndefined();
    expect(store.bucket("r")?.figures().refused).toEqual([
      { key: "nats.kv.x", reason: "data.nats belongs to the watched buckets" },
      { key: "system", reason: "data.system belongs to OPA's own policies" },
    ]);
  });

  test("N51 S6 what the policy reserves is refused to the root bucket alone", async () => {
    const store = new PolicyStore({ rootBucket: "r" });
    await store.reserve(new ReservedPaths([{ path: ["app", "authz"], owner: "the policy" }]));
    const root = store.createDocument("r");
    const other = store.createDocument("x");
    for (const key of ["app", "app.authz", "app.authz.allow", "app.other"]) {
      root.apply(json(key, "1"));
      other.apply(json(key, "1"));
    }
    expect(root.text()).toBe('{"app":{"other":1}}');
    expect(root.figures()).toMatchObject({ keys: 4, refusedCount: 3 });
    expect(other.figures()).toMatchObject({ keys: 4, refusedCount: 0 });
  });

  test("the name of no root bucket is no bucket", () => {
    expect(new PolicyStore({ rootBucket: "" }).rootBucket).toBeUndefined();
  });
});
