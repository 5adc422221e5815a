import { describe, expect, it, vi } from "vitest";
import { deferred, type Deferred } from "../../../src/common/async.ts";
import { BridgeError } from "../../../src/errors.ts";
import type { BucketDemand } from "../../../src/policy/bucket-demand.ts";
import { readBundle } from "../../../src/policy/bundle.ts";
import { PolicyEngine } from "../../../src/policy/engine.ts";
import { PolicyMemory } from "../../../src/policy/policy-memory.ts";
import { WasmInstance } from "../../../src/policy/wasm-instance.ts";
import { PolicyStore } from "../../../src/store/policy-store.ts";
import { decodeValue, type StoredValue } from "../../../src/store/value.ts";

const BUNDLE = "test/policies/basic/bundle.tar.gz";
const owner = {};

/** Buckets that load when the test says so. */
class ManualDemand implements BucketDemand {
  readonly loads = new Map<string, Deferred<void>>();
  readonly watched: string[] = [];
  readonly pins = new Map<string, number>();
  failure: BridgeError | undefined;
  readonly #store: PolicyStore;

  constructor(store: PolicyStore) {
    this.#store = store;
  }

  isWatched(bucket: string): boolean {
    return this.#store.hasBucket(bucket);
  }
  watch(bucket: string): void {
    this.watched.push(bucket);
  }
  load(bucket: string): Promise<void> {
    let load = this.loads.get(bucket);
    if (load === undefined) this.loads.set(bucket, (load = deferred()));
    return load.promise;
  }
  pin(bucket: string): () => void {
    this.pins.set(bucket, (this.pins.get(bucket) ?? 0) + 1);
    return () => this.pins.set(bucket, this.pins.get(bucket)! - 1);
  }
  recentFailure(): BridgeError | undefined {
    return this.failure;
  }
  unavailable(): undefined {
    return undefined;
  }
  state(bucket: string): { state: "live" | "unwatched"; revision?: number } {
    const document = this.#store.bucket(bucket);
    return document ? { state: "live", revision: document.revision } : { state: "unwatched" };
  }
}

function valueOf(text: string): StoredValue {
  return decodeValue(Buffer.from(text), 1) as StoredValue;
}

/** The module without the export that names its ABI. */
function ofAnotherAbi(wasm: Uint8Array): Uint8Array {
  const changed = Buffer.from(wasm);
  const at = changed.indexOf("opa_wasm_abi_version");
  changed.write("opa_wasm_abi_Version", at, "latin1");
  return changed;
}

async function setUp(options: { queryTimeoutMs?: number; maxSuspensions?: number } = {}): Promise<{
  store: PolicyStore;
  demand: ManualDemand;
  engine: PolicyEngine;
  mount: (bucket: string, entries: Record<string, string>) => Promise<void>;
  decide: (entrypoint: string, input?: unknown, strict?: boolean) => Promise<string | undefined>;
}> {
  const store = new PolicyStore({ rootBucket: "root" });
  const demand = new ManualDemand(store);
  const engine = new PolicyEngine({ store, demand, queryTimeoutMs: 5_000, ...options });
  await engine.activate(await readBundle(BUNDLE));
  return {
    store,
    demand,
    engine,
    async mount(bucket, entries) {
      const document = store.createDocument(bucket);
      let revision = 0;
      for (const [key, text] of Object.entries(entries)) {
        document.apply({ key, revision: ++revision, value: valueOf(text) });
      }
      document.followed(revision);
      await store.transact((tx) => tx.mount(bucket, owner, document));
    },
    decide: (entrypoint, input, strictBuiltinErrors = false) =>
      engine.decide(
        `basic/${entrypoint}`,
        input === undefined ? undefined : JSON.stringify(input),
        { strictBuiltinErrors },
      ),
  };
}

describe("PolicyEngine", () => {
  it("P1 watch_bucket is true for a watched bucket, and starts nothing", async () => {
    const { mount, decide, demand } = await setUp();
    await mount("b", { a: "1" });
    expect(await decide("watched", { bucket: "b" })).toBe("true");
    expect(demand.watched).toEqual([]);
  });

  it("P1 watch_bucket is false for one that is not watched, and starts the watch", async () => {
    const { decide, demand } = await setUp();
    expect(await decide("watched", { bucket: "b" })).toBe("false");
    expect(demand.watched).toEqual(["b"]);
    expect(demand.loads.size).toBe(0);
  });

  it("P1 watch_bucket stays false for the whole query, even when the bucket comes meanwhile", async () => {
    const { decide, demand, mount } = await setUp();
    const both = decide("both", { bucket: "b", key: "a" });
    await mount("b", { a: "1" });
    demand.loads.get("b")!.resolve();
    expect(JSON.parse((await both)!)).toEqual({ watched: false, value: 1 });
    expect(JSON.parse((await decide("both", { bucket: "b", key: "a" }))!)).toEqual({
      watched: true,
      value: 1,
    });
  });

  it.each(["BUCKET_NOT_FOUND", "BUCKET_NOT_ALLOWED", "BUCKET_NAME"] as const)(
    "P1 a bucket that failed with %s is false to watch_bucket and null to get_data",
    async (code) => {
      const { decide, demand } = await setUp();
      demand.failure = new BridgeError(code, "no");
      expect(await decide("watched", { bucket: "b" }, true)).toBe("false");
      expect(demand.watched).toEqual([]);
      const value = decide("value", { bucket: "b", key: "a" }, true);
      demand.loads.get("b")!.reject(demand.failure);
      expect(await value).toBe("null");
    },
  );

  it("N62 another failure is a builtin error: undefined, or the decision's error when strict", async () => {
    const { decide, demand } = await setUp();
    demand.failure = new BridgeError("BUCKET_FORBIDDEN", "may not");
    expect(await decide("watched", { bucket: "b" })).toBeUndefined();
    await expect(decide("watched", { bucket: "b" }, true)).rejects.toMatchObject({
      code: "EVALUATION_FAILED",
      message: "nats.kv.watch_bucket: may not",
    });
  });

  it("P2 get_data suspends the query until the bucket is loaded, and pins it meanwhile", async () => {
    const { decide, demand, mount } = await setUp();
    const value = decide("value", { bucket: "b", key: "a.b" });
    expect(demand.pins.get("b")).toBe(1);
    await mount("b", { "a.b": '{"x":9007199254740993}' });
    demand.loads.get("b")!.resolve();
    expect(await value).toBe('{"x":9007199254740993}');
    expect(demand.pins.get("b")).toBe(0);
  });

  it("P2 W6 what it has read already is pinned too while it waits for another bucket", async () => {
    const { decide, demand, mount } = await setUp();
    await mount("read", { a: "1" });
    const pair = decide("pair", { first: "read", second: "awaited", key: "a" });
    expect([...demand.pins]).toEqual([
      ["read", 1],
      ["awaited", 1],
    ]);
    await mount("awaited", { a: "2" });
    demand.loads.get("awaited")!.resolve();
    expect(JSON.parse((await pair)!)).toEqual({ got: 1, second: 2, seen: 1 });
    expect([...demand.pins.values()]).toEqual([0, 0]);
  });

  it("P2 decideSoon answers at once, and with a promise only where the query has to wait", async () => {
    const { engine, mount, demand } = await setUp();
    await mount("b", { a: "1" });
    expect(engine.decideSoon("basic/value", '{"bucket":"b","key":"a"}')).toBe("1");
    // Nothing is evicted under an evaluation.
    expect(demand.pins.has("b")).toBe(false);

    const waits = engine.decideSoon("basic/value", '{"bucket":"c","key":"a"}');
    expect(waits).toBeInstanceOf(Promise);
    expect([engine.suspended, demand.pins.get("c")]).toEqual([1, 1]);
    await mount("c", { a: "2" });
    demand.loads.get("c")!.resolve();
    expect(await waits).toBe("2");
    expect([engine.suspended, demand.pins.get("c")]).toEqual([0, 0]);
  });

  it("P5 a bundle with the same module as before has it compiled already", async () => {
    const { engine } = await setUp();
    const [same, other] = [
      await readBundle(BUNDLE),
      await readBundle("test/policies/mirror/bundle.tar.gz"),
    ];
    const compile = vi.spyOn(WebAssembly, "compile");
    try {
      await engine.activate(same);
      expect(compile).not.toHaveBeenCalled();
      await engine.activate(other);
      expect(compile).toHaveBeenCalledOnce();
    } finally {
      compile.mockRestore();
    }
  });

  it.each(["POLICY_BUILTIN_MISSING", "POLICY_ABI"])(
    "P5 %s: a policy that is refused gives its memory back to the next one",
    async (code) => {
      const { engine } = await setUp();
      const bundle = await readBundle("test/policies/outbound/bundle.tar.gz");
      const wasm = code === "POLICY_ABI" ? ofAnotherAbi(bundle.wasm!) : bundle.wasm;
      const release = vi.spyOn(PolicyMemory.prototype, "release");
      try {
        await expect(engine.activate({ ...bundle, wasm })).rejects.toMatchObject({ code });
        expect(release).toHaveBeenCalledOnce();
      } finally {
        release.mockRestore();
      }
    },
  );

  it.each([
    ["is answered", undefined],
    ["throws", "BUCKET_FORBIDDEN"],
  ] as const)("P5 a decision that %s gives back the policy that it began with", async (_, code) => {
    const { decide, engine, demand } = await setUp();
    const release = vi.spyOn(WasmInstance.prototype, "release");
    try {
      if (code !== undefined) demand.failure = new BridgeError(code, "may not");
      await decide("watched", { bucket: "b" }, true).catch(() => undefined);
      await engine.activate(await readBundle(BUNDLE));
      expect(release).toHaveBeenCalledOnce();
    } finally {
      release.mockRestore();
    }
  });

  it.each([
    ["a", '{"b":{"c":1},"d":"e"}'],
    ["a.b.c", "1"],
    ["a.d", '"e"'],
    ["a.x", "null"],
    ["*", "null"],
    ["a.#", "null"],
    ["a.b|c", "null"],
    ["", "null"],
    ["n.123", '"number"'],
    ["__proto__.x", "1"],
    ["constructor", "null"],
  ])(
    "P2 N67 N68 get_data(%j) reads an exact key or prefix, never a query",
    async (key, expected) => {
      const { decide, mount } = await setUp();
      await mount("b", { "a.b.c": "1", "a.d": "e", "n.123": "number", "__proto__.x": "1" });
      const value = await decide("value", { bucket: "b", key });
      expect(JSON.parse(value!)).toEqual(JSON.parse(expected));
    },
  );

  it("P2 a query that waits too long ends with QUERY_TIMEOUT", async () => {
    const { decide, demand } = await setUp({ queryTimeoutMs: 5 });
    await expect(decide("value", { bucket: "slow", key: "a" })).rejects.toMatchObject({
      code: "QUERY_TIMEOUT",
    });
    expect(demand.pins.get("slow")).toBe(0);
  });

  it("P2 a query that waits too often ends with QUERY_TIMEOUT", async () => {
    const { decide, demand } = await setUp({ maxSuspensions: 3 });
    demand.load = () => Promise.resolve();
    await expect(decide("value", { bucket: "b", key: "a" })).rejects.toMatchObject({
      code: "QUERY_TIMEOUT",
    });
  });

  it("P3 N64 a query that was suspended sees one version: get_data and data agree", async () => {
    const { decide, demand, mount } = await setUp();
    await mount("first", { k: '"old"' });
    const pair = decide("pair", { first: "first", second: "second", key: "k" });
    await mount("first", { k: '"new"' });
    await mount("second", { k: "2" });
    demand.loads.get("second")!.resolve();
    expect(JSON.parse((await pair)!)).toEqual({ got: "new", seen: "new", second: 2 });
  });

  it("W4 a query that waits while the bridge stops is told so, and not that there is no data", async () => {
    const { decide, demand } = await setUp();
    const value = decide("value", { bucket: "b", key: "a" });
    demand.loads.get("b")!.reject(new BridgeError("BRIDGE_STOPPING", "stopping"));
    await expect(value).rejects.toMatchObject({ code: "BRIDGE_STOPPING" });
  });

  it("a segment that holds a slash is one segment, and no entrypoint", async () => {
    const { engine } = await setUp();
    expect(await engine.decide(["basic", "allow"], '{"user":"alice"}')).toBe("true");
    expect(await engine.decide(["basic/allow"], '{"user":"alice"}')).toBeUndefined();
  });

  it("S6 an empty bucket that is watched is an empty object, not undefined", async () => {
    const { decide, mount } = await setUp();
    expect(await decide("bucket", { bucket: "b" })).toBeUndefined();
    await mount("b", {});
    expect(await decide("bucket", { bucket: "b" })).toBe("{}");
  });

  it("S6 a root-bucket key under the policy's package is refused; the policy wins", async () => {
    const { decide, mount, store } = await setUp();
    await mount("root", { "basic.allow": "true", "groups.a": "1", nats: "2", "system.x": "3" });
    expect(await decide("allow", { user: "mallory" })).toBe("false");
    expect(await decide("root")).toBe('{"a":1}');
    const refused = store
      .bucket("root")!
      .figures()
      .refused.map(({ key }) => key);
    expect(refused.toSorted()).toEqual(["basic.allow", "nats", "system.x"]);
  });

  it.each([false, 0, "", null, [[]], {}])(
    "the input %j reaches the policy as it is",
    async (input) => {
      const { decide } = await setUp();
      expect(await decide("echo", input)).toBe(JSON.stringify(input));
    },
  );

  it("no input is undefined to the policy", async () => {
    const { decide } = await setUp();
    expect(await decide("echo")).toBeUndefined();
  });

  it("an input nested too deep is refused, and the next decision is unharmed", async () => {
    const { engine, decide } = await setUp();
    const deep = "[".repeat(5_000) + "]".repeat(5_000);
    await expect(engine.decide("basic/echo", deep)).rejects.toMatchObject({
      code: "INPUT_INVALID",
    });
    expect(await decide("echo", 1)).toBe("1");
  });

  it("P5 a bundle that can't be activated leaves the old one serving", async () => {
    const { engine, decide } = await setUp();
    const bundle = await readBundle(BUNDLE);
    const bad = { ...bundle, wasm: bundle.wasm!.subarray(0, 1_000) };
    await expect(engine.activate(bad)).rejects.toMatchObject({ code: "BUNDLE_INVALID" });
    expect(await decide("allow", { user: "alice" })).toBe("true");
  });
});
