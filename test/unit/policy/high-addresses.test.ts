import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Bundle, readBundle } from "../../../src/policy/bundle.ts";
import { DataHeap } from "../../../src/policy/data-heap.ts";
import { PolicyEngine, type PolicyEngineOptions } from "../../../src/policy/engine.ts";
import type { PolicyExports } from "../../../src/policy/policy-exports.ts";
import { PolicyMemory } from "../../../src/policy/policy-memory.ts";
import { PolicyModule } from "../../../src/policy/policy-module.ts";
import { WasmInstance } from "../../../src/policy/wasm-instance.ts";
import { PolicyStore } from "../../../src/store/policy-store.ts";
import { demandOn } from "./demand.ts";
import { canonical, mirror } from "./resident-kit.ts";

/** From here on an address is negative where it is taken for a signed number. */
const LINE = 2 ** 31;
const MEBIBYTE = 2 ** 20;
const MAX_BYTES = 4 * 1024 * MEBIBYTE;
const EVALUATION_BYTES = 16 * MEBIBYTE;

const runaway: Bundle = await readBundle("test/policies/runaway/bundle.tar.gz");
const basic: Bundle = await readBundle("test/policies/basic/bundle.tar.gz");

const isReserved = ((): boolean => {
  const memory = new PolicyMemory(MAX_BYTES);
  memory.release();
  return memory.size > LINE + 64 * MEBIBYTE;
})();

/** Has the heap of each instance that is made from now on begin at an address, as if so much data lay before it. */
function beginHeapsAt(start: number): void {
  const { instantiate } = WebAssembly;
  vi.spyOn(WebAssembly, "instantiate").mockImplementation((async (
    module: WebAssembly.Module,
    imports: WebAssembly.Imports,
  ) => {
    const instance = await instantiate(module, imports);
    (instance.exports as unknown as PolicyExports).opa_heap_ptr_set(start);
    return instance;
  }) as never);
}

async function newInstance({ wasm }: Bundle): Promise<WasmInstance> {
  return WasmInstance.create(await PolicyModule.prepare(wasm!), MAX_BYTES);
}

async function newEngine(
  bundle: Bundle,
  options: Partial<PolicyEngineOptions> = {},
): Promise<{ engine: PolicyEngine; store: PolicyStore }> {
  const store = new PolicyStore({});
  const engine = new PolicyEngine({
    store,
    demand: demandOn(store),
    queryTimeoutMs: 1_000,
    limits: { timeoutMs: 20_000, maxMemoryBytes: EVALUATION_BYTES },
    ...options,
  });
  await engine.activate(bundle);
  return { engine, store };
}

const json = (value: unknown): { text: string; kind: "json" } => ({
  text: JSON.stringify(value),
  kind: "json",
});

function member(index: number): object {
  const roles = ["reader", `role-${index % 7}`];
  return { name: `member ${index}`, roles, note: "é".repeat(index % 90), deep: { [index]: null } };
}

beforeEach(({ skip }) => {
  skip(!isReserved, "the system does not let a memory of 4 GiB be reserved");
});

afterEach(() => vi.restoreAllMocks());

describe.each([
  ["above 2 GiB", LINE + 4_096],
  // The instance itself, the first session, or the data is where the line is crossed.
  ["1 KiB below 2 GiB", LINE - 1_024],
  ["16 KiB below 2 GiB", LINE - 16 * 1_024],
  ["256 KiB below 2 GiB", LINE - 256 * 1_024],
])("data that begins %s", (_, start) => {
  it("P4 is loaded, patched, removed, and put into a new instance as any other", async () => {
    beginHeapsAt(start);
    const told = vi.fn<() => void>();
    const { engine, store } = await newEngine(mirror, { onOverBudget: told });
    const expectEqual = async (): Promise<void> => {
      const { mode, heapBytes } = engine.policy!.residentFigures;
      expect(mode).toBe("patched");
      expect(heapBytes).toBeGreaterThan(start);
      expect(heapBytes).toBeLessThan(start + 4 * MEBIBYTE);
      const kv = canonical(store.text(["nats", "kv"]));
      expect(canonical(await engine.decide("mirror/kv", undefined))).toEqual(kv);
    };
    const owner = {};
    const document = store.createDocument("b");
    // Wide enough for a table of its own, and for strings that are shared.
    for (let index = 0; index < 1_500; index++) {
      document.apply({ key: `m${index}`, revision: index + 1, value: json(member(index)) });
    }
    const undo = await store.prepare("b", document);
    await store.transact((tx) => tx.mount("b", owner, document));
    undo();
    await expectEqual();

    for (let index = 0; index < 600; index++) {
      const key = `m${(index * 7) % 1_600}`;
      const value = index % 3 === 0 ? {} : { value: json(member(index + 5_000)) };
      await store.transact((tx) =>
        tx.change("b", owner, [{ key, revision: 2_000 + index, ...value }]),
      );
    }
    await expectEqual();

    const asked = await engine.decide("mirror/asked", '{"bucket":"b","key":"m1499"}');
    const answered = [member(1_499), JSON.parse(store.text(["nats", "kv"])!)];
    expect(canonical(asked)).toEqual(canonical(JSON.stringify(answered)));
    await expect(engine.decide("mirror/conflict", '{"names":["a","b"]}')).rejects.toMatchObject({
      code: "EVALUATION_FAILED",
      message: expect.stringContaining("conflict") as string,
    });

    await engine.activate(mirror);
    await expectEqual();
    await store.transact((tx) => tx.unmount("b", owner));
    await store.transact((tx) => tx.mount("c", owner, store.createDocument("c")));
    await expectEqual();
    expect(told).not.toHaveBeenCalled();
    engine.close();
  });

  it("is replaced, read, and evaluated with input and builtins", async () => {
    beginHeapsAt(start);
    const instance = await newInstance(mirror);
    expect(instance.entrypoints.get("mirror/kv")).toBeTypeOf("number");
    expect(instance.requiredBuiltins).toContain("nats.kv.get_data");
    const members = Object.fromEntries(
      Array.from({ length: 400 }, (__, n) => [`m${n}`, member(n)]),
    );
    const text = JSON.stringify({ nats: { kv: { b: members } } });
    for (let round = 0; round < 3; round++) {
      instance.setData(text);
      expect(instance.dataEnd).toBeGreaterThan(start);
      expect(canonical(instance.dump(instance.dataAddress))).toEqual(canonical(text));
    }
    const calls: unknown[] = [];
    const called = vi.spyOn(instance, "callBuiltin");
    const input = { bucket: "b".repeat(40_000), key: "k" };
    const answer = instance.evaluate(
      instance.entrypoints.get("mirror/asked")!,
      JSON.stringify(input),
      { spentMs: 0 },
      (name, args) => {
        calls.push([name, ...args.map((arg) => JSON.parse(arg) as unknown)]);
        return JSON.stringify({ long: "x".repeat(40_000) });
      },
    );
    expect(calls).toEqual([["nats.kv.get_data", input.bucket, input.key]]);
    // Whatever the host is told of, or tells of, lies where the data ends.
    const [[, addresses]] = called.mock.calls as [[number, readonly number[]]];
    const told = [...addresses, called.mock.results[0]!.value as number];
    expect(told).toHaveLength(3);
    for (const address of told) expect(address).toBeGreaterThan(instance.dataEnd);
    expect(instance.exports.builtins()).toBeGreaterThan(start);
    expect(instance.exports.entrypoints()).toBeGreaterThan(start);
    const asked = [{ long: "x".repeat(40_000) }, { b: members }];
    expect(canonical(answer)).toEqual(canonical(JSON.stringify([{ result: asked }])));
    instance.release();
  });

  it("is as it was after what is thrown in the middle of a session, or of an evaluation", async () => {
    beginHeapsAt(start);
    const instance = await newInstance(basic);
    instance.setData('{"x":{}}');
    const heap = new DataHeap(instance);
    const echo = instance.entrypoints.get("basic/echo")!;
    const asking = instance.entrypoints.get("basic/value")!;
    const asked = JSON.stringify({ bucket: "b", key: "k".repeat(40_000) });
    const expected: Record<string, unknown> = {};
    for (let round = 0; round < 40; round++) {
      const value = member(round);
      expected[`k${round}`] = value;
      const failing = (): void =>
        heap.session(() => {
          heap.put(instance.dataAddress, ["x", `k${round}`], JSON.stringify(value));
          throw new Error("in the middle");
        });
      expect(failing).toThrow("in the middle");
      const thrown = (): never => {
        throw new Error("in a builtin");
      };
      expect(() => instance.evaluate(asking, asked, { spentMs: 0 }, thrown)).toThrow(
        "in a builtin",
      );
      const input = JSON.stringify({ [`round ${round}`]: "x".repeat(round * 1_000) });
      expect(instance.evaluate(echo, input, { spentMs: 0 }, () => undefined)).toBe(
        `[{"result":${input}}]`,
      );
    }
    expect(JSON.parse(instance.dump(instance.dataAddress))).toEqual({ x: expected });
    instance.release();
  });

  it.each([
    ["objects", { n: 1e6 }],
    ["doubled", { text: "a".repeat(2_000) }],
  ])("leaves an evaluation its limit of memory (%s)", async (name, input) => {
    beginHeapsAt(start);
    const { engine } = await newEngine(runaway);
    await expect(engine.decide(`runaway/${name}`, JSON.stringify(input))).rejects.toMatchObject({
      code: "EVALUATION_MEMORY",
      message: expect.stringContaining(`more than ${EVALUATION_BYTES} bytes`) as string,
    });
    expect(await engine.decide("runaway/small", '{"user":"alice"}')).toBe("true");
    engine.close();
  });
});

describe("a memory that is full above 2 GiB", () => {
  const START = LINE - 1_024;

  it("P4 refuses a load above 85 % of it", async () => {
    beginHeapsAt(START);
    const maxMemoryBytes = Math.ceil((START + 4 * MEBIBYTE) / 0.85);
    const { engine, store } = await newEngine(mirror, { maxMemoryBytes });
    const load = async (bucket: string, keys: number): Promise<void> => {
      const document = store.createDocument(bucket);
      for (let index = 0; index < keys; index++) {
        document.apply({ key: `k${index}`, revision: 1, value: json("x".repeat(1_000)) });
      }
      const undo = await store.prepare(bucket, document);
      await store.transact((tx) => tx.mount(bucket, {}, document));
      undo();
    };
    await load("small", 1_000);
    await expect(load("big", 8_000)).rejects.toMatchObject({ code: "BUCKET_OVER_BUDGET" });
    expect(JSON.parse((await engine.decide("mirror/sizes", undefined))!)).toEqual({ small: 1_000 });
    engine.close();
  });

  it("P4 reports the bucket that outgrows it", async () => {
    beginHeapsAt(START);
    const create = vi.spyOn(WasmInstance, "create");
    const told: string[] = [];
    const { engine, store } = await newEngine(mirror, {
      onOverBudget: (bucket) => told.push(bucket),
    });
    const owner = {};
    await store.transact((tx) => tx.mount("b", owner, store.createDocument("b")));
    const instance = await create.mock.results[0]!.value;
    instance.dataEnd = Math.floor(instance.memory.maxBytes * 0.92) - MEBIBYTE;
    for (let index = 0; told.length === 0 && index < 4_000; index++) {
      const change = { key: `k${index}`, revision: index + 1, value: json("x".repeat(1_000)) };
      await store.transact((tx) => tx.change("b", owner, [change]));
    }
    expect(told).toEqual(["b"]);
    const { mode, heapBytes } = engine.policy!.residentFigures;
    expect(mode).toBe("patched");
    expect(heapBytes).toBeGreaterThan(3.6 * 1024 * MEBIBYTE);
    const sizes = JSON.parse((await engine.decide("mirror/sizes", undefined))!) as { b: number };
    expect(sizes.b).toBe(
      Object.keys(JSON.parse(store.text(["nats", "kv", "b"])!) as object).length,
    );
    engine.close();
  });
});
