import { setImmediate as nextTurn } from "node:timers/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { Slices } from "../../../src/common/slices.ts";
import { type Bundle, readBundle } from "../../../src/policy/bundle.ts";
import { DataHeap } from "../../../src/policy/data-heap.ts";
import { PolicyEngine } from "../../../src/policy/engine.ts";
import { PolicyModule } from "../../../src/policy/policy-module.ts";
import { WasmInstance } from "../../../src/policy/wasm-instance.ts";
import { PolicyStore } from "../../../src/store/policy-store.ts";
import { demandOn } from "./demand.ts";

/** 5,000,000 in `npm run test:nightly`. */
const UPDATES = Number(process.env["MEMORY_UPDATES"] ?? 50_000);
const KEYS = 10_000;
const PER_TURN = 50;
const TIMEOUT_MS = 60_000 + UPDATES / 5;

let bundle: Bundle;
beforeAll(async () => {
  bundle = await readBundle("test/policies/mirror/bundle.tar.gz");
});

/** Park and Miller's generator: the same numbers in every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
}

describe("P4 the memory of resident data", () => {
  it(
    `stays within 1.3 times its first size over ${UPDATES} updates of values of changing size`,
    async () => {
      const next = numbers(1);
      const value = (): string => JSON.stringify({ note: "x".repeat(next(400)), level: next(9) });
      const store = new PolicyStore({});
      const engine = new PolicyEngine({
        store,
        demand: demandOn(store),
        queryTimeoutMs: 1_000,
        slices: new Slices(1),
      });
      await engine.activate(bundle);
      const owner = {};
      const document = store.createDocument("b");
      for (let key = 0; key < KEYS; key++) {
        const text = value();
        document.apply({ key: `k${key}`, revision: key + 1, value: { text, kind: "json" } });
      }
      const undo = await store.prepare("b", document);
      await store.transact((tx) => tx.mount("b", owner, document));
      undo();
      const heapBytes = (): number => engine.policy!.residentFigures.heapBytes;
      const first = heapBytes();
      let most = first;
      for (let update = 1; update <= UPDATES; update++) {
        const change = {
          key: `k${next(KEYS)}`,
          revision: KEYS + update,
          value: { text: value(), kind: "json" as const },
        };
        await store.transact((tx) => tx.change("b", owner, [change]));
        most = Math.max(most, heapBytes());
        if (update % PER_TURN === 0) await nextTurn();
      }
      expect(most / first).toBeLessThanOrEqual(1.3);
      expect(engine.policy!.residentFigures.mode).toBe("patched");
      const answer = JSON.parse((await engine.decide("mirror/kv", undefined))!) as object;
      expect(answer).toEqual(JSON.parse(store.text(["nats", "kv"])!));
    },
    TIMEOUT_MS,
  );

  it("gives freed blocks of every size back", async () => {
    const instance = await WasmInstance.create(
      await PolicyModule.prepare(bundle.wasm!),
      64 * 1024 * 1024,
    );
    instance.setData("{}");
    const heap = new DataHeap(instance);
    const put = (length: number): void => {
      const text = JSON.stringify("x".repeat(length));
      heap.session(() => heap.put(instance.dataAddress, ["key"], text));
    };
    put(1_000);
    const first = heap.end;
    for (let length = 900; length < 1_000; length++) put(length);
    // Each of the hundred would take a thousand bytes.
    expect(heap.end - first).toBeLessThan(10_000);
  });

  it.each([1, 300, 5_000])(
    "a table made for %i fields holds them all, and more",
    async (fields) => {
      const instance = await WasmInstance.create(
        await PolicyModule.prepare(bundle.wasm!),
        64 * 1024 * 1024,
      );
      instance.setData("{}");
      const heap = new DataHeap(instance);
      const expected: Record<string, number> = {};
      const object = heap.session(() => {
        const made = heap.newObject(fields);
        heap.link(instance.dataAddress, ["wide"], made);
        return made;
      });
      // Where OPA's object keeps the size of its table; 8 at least.
      expect(instance.memory.getUint32(object + 8)).toBeGreaterThan(fields);
      const put = (from: number, to: number): void =>
        heap.session(() => {
          for (let index = from; index < to; index++) {
            heap.put(object, [`k${index}`], String(index));
            expected[`k${index}`] = index;
          }
        });
      put(0, fields);
      put(fields, fields * 3);
      heap.session(() => heap.remove(object, ["k0"]));
      delete expected["k0"];
      expect(JSON.parse(instance.dump(object))).toEqual(expected);
      const before = heap.end;
      heap.session(() => heap.remove(instance.dataAddress, ["wide"]));
      expect(JSON.parse(instance.dump(instance.dataAddress))).toEqual({});
      // What was freed, the table too, is used again.
      const again = heap.session(() => heap.newObject(fields));
      heap.session(() => heap.link(instance.dataAddress, ["wide"], again));
      expect(heap.end - before).toBeLessThan(2_000);
    },
  );
});
