import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { setImmediate as nextTurn } from "node:timers/promises";
import { isBridgeError } from "../../../src/errors.ts";
import { PolicyEngine } from "../../../src/policy/engine.ts";
import { PolicyModule } from "../../../src/policy/policy-module.ts";
import { WasmInstance } from "../../../src/policy/wasm-instance.ts";
import type { BucketDocument } from "../../../src/store/bucket-document.ts";
import { PolicyStore } from "../../../src/store/policy-store.ts";
import { decodeValue, type StoredValue } from "../../../src/store/value.ts";
import { demandOn } from "./demand.ts";
import { canonical, mirror, newEngine } from "./resident-kit.ts";

const RUNS = Number(process.env["FC_RUNS"] ?? 80);
const TIMEOUT_MS = 60_000 + RUNS * 500;
const BUCKETS = ["b1", "b2", "root"];
const ENTRYPOINTS = ["kv", "root", "sizes", "same"] as const;

/** What a fresh instance answers that was given the whole document at once. */
class Oracle {
  readonly #instance: WasmInstance;

  static async create(): Promise<Oracle> {
    return new Oracle(
      await WasmInstance.create(await PolicyModule.prepare(mirror.wasm!), 64 * 1024 * 1024),
    );
  }

  private constructor(instance: WasmInstance) {
    this.#instance = instance;
  }

  decide(store: PolicyStore, entrypoint: string): unknown {
    this.#instance.setData(store.text([])!);
    const id = this.#instance.entrypoints.get(`mirror/${entrypoint}`)!;
    const text = this.#instance.evaluate(id, undefined, { spentMs: 0 }, () => undefined);
    return text === "[]" ? undefined : canonical(text.slice('[{"result":'.length, -"}]".length));
  }
}

async function expectEqual(
  engine: PolicyEngine,
  store: PolicyStore,
  oracle: Oracle,
): Promise<void> {
  expect(engine.policy!.residentFigures.mode).toBe("patched");
  for (const entrypoint of ENTRYPOINTS) {
    const answer = await engine.decide(`mirror/${entrypoint}`, undefined);
    expect(canonical(answer)).toEqual(oracle.decide(store, entrypoint));
  }
}

// Few names, so that prefixes, conflicts and returning keys are common.
const segment = fc.constantFrom("r1", "r2", "r3", "a", "b", "0", "__proto__");
const key = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => segments.join("."));
const text = fc.oneof(
  fc.json({ maxDepth: 3 }),
  fc.constantFrom(
    "9007199254740993",
    "1.0",
    "null",
    "not json",
    "",
    '{"a":{"b":1,"c":2},"b":[1]}',
    "{}",
  ),
  fc.string({ maxLength: 200 }).map((content) => JSON.stringify(content)),
);
const change = fc.record({ key, text: fc.option(text, { nil: undefined }) });
const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant("change" as const),
      bucket: fc.constantFrom(...BUCKETS),
      changes: fc.array(change, { minLength: 1, maxLength: 6 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("mount" as const),
      bucket: fc.constantFrom(...BUCKETS),
      prepared: fc.boolean(),
      changes: fc.array(change, { maxLength: 20 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("unmount" as const),
      bucket: fc.constantFrom(...BUCKETS),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ type: "abort" as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("load and drop" as const),
      changes: fc.array(change, { maxLength: 20 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ type: "activate" as const }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

async function aborted(engine: PolicyEngine): Promise<void> {
  const failure = await engine
    .decide("mirror/conflict", '{"names":["a","b"]}')
    .catch(isBridgeError);
  if (failure !== true) throw new Error("the evaluation was not aborted");
}

/** Does to a store, and to an engine that reads it, what the steps say. */
class History {
  readonly store = new PolicyStore({ rootBucket: "root" });
  engine!: PolicyEngine;
  #revision = 0;
  readonly #owner = {};

  async run(one: Step): Promise<void> {
    const { store } = this;
    switch (one.type) {
      case "change":
        if (!store.hasBucket(one.bucket)) return;
        await store.transact((tx) =>
          tx.change(
            one.bucket,
            this.#owner,
            one.changes.map((c) => this.#changeOf(c)),
          ),
        );
        return;
      case "mount": {
        const document = this.#documentOf(one.bucket, one.changes);
        if (one.prepared) await store.prepare(one.bucket, document);
        await store.transact((tx) => tx.mount(one.bucket, this.#owner, document));
        return;
      }
      case "unmount":
        await store.transact((tx) => tx.unmount(one.bucket, this.#owner));
        return;
      case "abort":
        await aborted(this.engine);
        return;
      case "load and drop": {
        const undo = await store.prepare("b1", this.#documentOf("b1", one.changes));
        undo();
        return;
      }
      case "activate":
        await this.engine.activate(mirror);
    }
  }

  #documentOf(
    bucket: string,
    changes: readonly { key: string; text: string | undefined }[],
  ): BucketDocument {
    const document = this.store.createDocument(bucket);
    for (const one of changes) document.apply(this.#changeOf(one));
    document.followed(this.#revision);
    return document;
  }

  #changeOf({ key: name, text: value }: { key: string; text: string | undefined }): {
    key: string;
    revision: number;
    value?: StoredValue;
  } {
    const revision = ++this.#revision;
    if (value === undefined) return { key: name, revision };
    return { key: name, revision, value: decodeValue(Buffer.from(value), 1) as StoredValue };
  }
}

describe("PatchedData", () => {
  it(
    "P4 equals a fresh instance given everything, after any history",
    async () => {
      const oracle = await Oracle.create();
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
          const history = new History();
          history.engine = await newEngine(history.store);
          for (const one of steps) {
            await history.run(one);
            await expectEqual(history.engine, history.store, oracle);
          }
        }),
        { numRuns: RUNS },
      );
    },
    TIMEOUT_MS,
  );

  it(
    "P4 equals it also when policies are activated while commits come in",
    async () => {
      const oracle = await Oracle.create();
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
          const history = new History();
          history.engine = await newEngine(history.store);
          const activations = [];
          for (const one of steps) {
            if (one.type === "activate") activations.push(history.engine.activate(mirror));
            else await history.run(one);
            await nextTurn();
          }
          await Promise.all(activations);
          await expectEqual(history.engine, history.store, oracle);
        }),
        { numRuns: RUNS },
      );
    },
    TIMEOUT_MS,
  );

  it("P4 survives any number of aborted evaluations", async () => {
    const store = new PolicyStore({});
    const engine = await newEngine(store);
    const history = new History();
    const conflict = '{"names":["a","b"]}';
    for (let count = 0; count < 20_000; count++) {
      await expect(engine.decide("mirror/conflict", conflict)).rejects.toThrow(/conflict/);
    }
    expect(await engine.decide("mirror/conflict", '{"names":["a"]}')).toBe('"a"');
    expect(history.store.version).toBe(0);
  }, 60_000);

  it("P2 survives any number of suspensions and of builtins that fail", async () => {
    const store = new PolicyStore({});
    const engine = new PolicyEngine({
      store,
      demand: { ...demandOn(store), load: () => Promise.resolve() },
      queryTimeoutMs: 60_000,
      maxSuspensions: 20_000,
      // So many evaluations together take about the usual second where the machine is busy.
      limits: { timeoutMs: 60_000 },
    });
    await engine.activate(mirror);
    const input = '{"bucket":"b","key":"k"}';
    await expect(engine.decide("mirror/asked", input)).rejects.toMatchObject({
      code: "QUERY_TIMEOUT",
    });
    const document = store.createDocument("b");
    document.apply({ key: "k", revision: 1, value: { text: "1", kind: "json" } });
    await store.transact((tx) => tx.mount("b", {}, document));
    expect(await engine.decide("mirror/asked", input)).toBe('[1,{"b":{"k":1}}]');
    for (let count = 0; count < 10_000; count++) {
      await expect(
        engine.decide("mirror/asked", '{"bucket":1,"key":2}', { strictBuiltinErrors: true }),
      ).rejects.toMatchObject({ code: "EVALUATION_FAILED" });
    }
    expect(await engine.decide("mirror/asked", input)).toBe('[1,{"b":{"k":1}}]');
  }, 60_000);
});
