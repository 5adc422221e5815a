import { beforeAll, describe, expect, it } from "vitest";
import { isBridgeError, messageOf } from "../../../src/errors.ts";
import { type Bundle, readBundle } from "../../../src/policy/bundle.ts";
import { DataHeap } from "../../../src/policy/data-heap.ts";
import { PolicyEngine } from "../../../src/policy/engine.ts";
import type { EvaluationLimits } from "../../../src/policy/evaluation-bounds.ts";
import { slices } from "../../../src/common/slices.ts";
import { meterWork, STEPS_LEFT } from "../../../src/policy/metering.ts";
import { STACK_POINTER } from "../../../src/policy/stack-pointer.ts";
import { PolicyModule } from "../../../src/policy/policy-module.ts";
import { WasmInstance } from "../../../src/policy/wasm-instance.ts";
import { PolicyStore } from "../../../src/store/policy-store.ts";
import { decodeValue, type StoredValue } from "../../../src/store/value.ts";
import { demandOn } from "./demand.ts";

const MEMBERS = 400;
const LIMIT_MS = 100;
/** What a machine that is busy may add. */
const SLACK_MS = 400;

let runaway: Bundle;
let mirror: Bundle;

beforeAll(async () => {
  runaway = await readBundle("test/policies/runaway/bundle.tar.gz");
  mirror = await readBundle("test/policies/mirror/bundle.tar.gz");
});

async function setUp(
  limits: Partial<EvaluationLimits> = {},
  maxMemoryBytes = 512 * 2 ** 20,
): Promise<PolicyEngine> {
  const store = new PolicyStore();
  const engine = new PolicyEngine({
    store,
    demand: demandOn(store),
    queryTimeoutMs: 1_000,
    maxMemoryBytes,
    limits: { timeoutMs: LIMIT_MS, ...limits },
  });
  await engine.activate(runaway);
  const document = store.createDocument("members");
  for (let index = 0; index < MEMBERS; index++) {
    const value = decodeValue(Buffer.from(`{"id":"${index}"}`), 1) as StoredValue;
    document.apply({ key: `m${index}`, revision: index + 1, value });
  }
  await store.transact((tx) => tx.mount("members", {}, document));
  return engine;
}

function decide(engine: PolicyEngine, name: string, input: unknown): Promise<string | undefined> {
  return engine.decide(`runaway/${name}`, JSON.stringify(input));
}

/** The next decisions are as they always are. */
async function expectHealthy(engine: PolicyEngine): Promise<void> {
  expect(await decide(engine, "small", { user: "alice" })).toBe("true");
  expect(await decide(engine, "small", { user: "bob" })).toBe("false");
  expect(await decide(engine, "turns", { n: 3 })).toBe("0");
}

const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
const long = "a".repeat(100_000);
/** In no order. */
const NUMBERS = Array.from({ length: 50_000 }, (_, index) => (index * 7_919) % 50_021);

describe("bounds on an evaluation", () => {
  it.each([
    ["loops of the policy", "turns", { n: 1e6 }],
    ["a product over data", "pairs", {}],
    ["calls that fan out, without a loop", "calls", { n: 1 }],
    ["calls that do nothing but call", "nested", { x: 1 }],
    ["a search in a text", "search", { n: 1e6, text: long, part: `${"a".repeat(50_000)}b` }],
    ["one call of a builtin of the module's own", "range", { n: 1e9 }],
    ["calls of the host's builtins", "texts", { n: 1e6 }],
    ["a rule that begins with a loop", "looped", { items: NUMBERS.slice(0, 500) }],
    ["a sort", "sorted", { items: NUMBERS }],
    [
      "a search by a regular expression",
      "matched",
      { pattern: "(a|aa|aaa|aaaa)*$", text: long.repeat(20) },
    ],
    ["a look through a value that holds itself many times", "hashed", { x: 1 }],
    ["a look through such a value, of texts", "hashed", { x: "a" }],
    ["a look through such a value, of nothing", "hashed", { x: [] }],
    ["a look through such a value, of objects", "hashed", { x: { a: null } }],
    ["a comparison of two such values", "compared", { x: 1, y: 1 }],
  ])(
    "%s that takes too long is ended in time, and leaves nothing behind",
    async (_, name, input) => {
      const engine = await setUp();
      const started = performance.now();
      await expect(decide(engine, name, input)).rejects.toMatchObject({
        code: "EVALUATION_TIMEOUT",
        message: expect.stringContaining("plugins.nats.evaluation_timeout") as string,
      });
      expect(performance.now() - started).toBeLessThan(LIMIT_MS + SLACK_MS);
      await expectHealthy(engine);
      engine.close();
    },
  );

  it.each([
    ["texts that double", "doubled", { text: "a".repeat(2_000) }],
    ["comprehensions", "objects", { n: 1e6 }],
    ["a range", "range", { n: 1e9 }],
  ])("%s that need too much memory are ended, and leave nothing behind", async (_, name, input) => {
    const limits = { maxMemoryBytes: 16 * 2 ** 20, timeoutMs: 20_000 };
    const engine = await setUp(limits);
    await expect(decide(engine, name, input)).rejects.toMatchObject({
      code: "EVALUATION_MEMORY",
      message: expect.stringContaining("plugins.nats.max_evaluation_memory") as string,
    });
    await expectHealthy(engine);
    engine.close();
  });

  it("an evaluation that needs all of the policy's memory is ended likewise", async () => {
    const engine = await setUp({ maxMemoryBytes: Infinity, timeoutMs: 20_000 }, 32 * 2 ** 20);
    await expect(decide(engine, "objects", { n: 1e6 })).rejects.toMatchObject({
      code: "EVALUATION_MEMORY",
    });
    await expectHealthy(engine);
    engine.close();
  });

  it.each(["depth", "walked"])("recursion that goes too deep is an error (%s)", async (name) => {
    const engine = await setUp({ timeoutMs: 20_000 });
    expect(await decide(engine, "depth", { text: nested(200) })).toBe("400");
    await expect(decide(engine, name, { text: nested(100_000) })).rejects.toMatchObject({
      code: "EVALUATION_DEPTH",
    });
    await expectHealthy(engine);
    engine.close();
  });

  it("an evaluation within the bounds is none of their business, however many there are", async () => {
    const engine = await setUp();
    for (let count = 0; count < 300; count++) {
      expect(await decide(engine, "turns", { n: 20 })).toBe("0");
    }
    engine.close();
  });

  it("a thousand evaluations that are ended cost no memory", async () => {
    const engine = await setUp({ timeoutMs: 0.1 });
    await expect(decide(engine, "turns", { n: 1e6 })).rejects.toThrow("longer than 0.1 ms");
    const heap = engine.policy!.residentFigures.heapBytes;
    for (let count = 0; count < 1_000; count++) {
      await expect(decide(engine, "pairs", {})).rejects.toThrow("longer than 0.1 ms");
    }
    expect(engine.policy!.residentFigures.heapBytes).toBe(heap);
    expect(await decide(engine, "small", { user: "alice" })).toBe("true");
    engine.close();
  });
});

describe("an evaluation that is ended at any step", () => {
  it("P4 leaves the data as it was, and open to changes", async () => {
    const [ended, whole] = await Promise.all([
      WasmInstance.create(await PolicyModule.prepare(mirror.wasm!), 64 * 2 ** 20, {
        timeoutMs: -1,
        maxMemoryBytes: Infinity,
      }),
      WasmInstance.create(await PolicyModule.prepare(mirror.wasm!), 64 * 2 ** 20),
    ]);
    const members = Object.fromEntries(
      Array.from({ length: 40 }, (_, index) => [`m${index}`, { roles: ["a", index] }]),
    );
    const data = JSON.stringify({ nats: { kv: { b: members } } });
    ended.setData(data);
    whole.setData(data);
    const heaps = [new DataHeap(ended), new DataHeap(whole)];
    const entrypoint = whole.entrypoints.get("mirror/sizes")!;
    const evaluate = (instance: WasmInstance): string =>
      instance.evaluate(entrypoint, undefined, { spentMs: 0 }, () => undefined);
    const stack: unknown = ended.exports[STACK_POINTER]!.value;
    let ending = "";
    for (let steps = 0; ending !== "complete"; steps += 1 + Math.floor(steps / 40)) {
      ended.exports[STEPS_LEFT].value = steps;
      const right = evaluate(whole);
      try {
        ending = evaluate(ended) === right ? "complete" : "wrong";
      } catch (error) {
        ending = isBridgeError(error, "EVALUATION_TIMEOUT") ? "ended" : messageOf(error);
      }
      expect(ending).toMatch(/^(?:complete|ended)$/);
      expect(ended.exports[STACK_POINTER]!.value).toBe(stack);
      for (const heap of heaps) {
        const { dataAddress } = heap === heaps[0] ? ended : whole;
        heap.session(() =>
          heap.put(dataAddress, ["nats", "kv", "b", `m${steps % 60}`], `${steps}`),
        );
      }
      expect(ended.dump(ended.dataAddress)).toBe(whole.dump(whole.dataAddress));
    }
  });
});

describe("meterWork", () => {
  it("refuses what is not as OPA's modules are", () => {
    const header = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
    expect(() => meterWork(Uint8Array.from(header)).next()).toThrow(RangeError);
  });

  it("leaves a module that is valid", async () => {
    for (const { wasm } of [runaway, mirror]) {
      const metered = await slices.finish(meterWork(wasm!));
      expect(WebAssembly.validate(metered as BufferSource)).toBe(true);
    }
  });
});
