import { strict as assert } from "node:assert";
import * as fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { isBridgeError } from "../../../src/errors.ts";
import type { BucketDocument, KeyChange } from "../../../src/store/bucket-document.ts";
import { PolicyStore } from "../../../src/store/policy-store.ts";
import type { OpenTransaction } from "../../../src/store/transaction.ts";
import { PROPERTY_TIMEOUT_MS, runs } from "../../support/arbitraries.ts";
import {
  afterAll,
  BUCKETS,
  copyOf,
  expectStore,
  HeldSnapshot,
  Mirror,
  type ModelOperation,
  type ModelState,
  ROOT,
} from "./store-model.ts";

vi.setConfig({ testTimeout: PROPERTY_TIMEOUT_MS });

const OWNERS = [{ name: "first" }, { name: "second" }];

const change: fc.Arbitrary<Omit<KeyChange, "revision">> = fc.record(
  {
    key: fc.constantFrom("a", "a.b", "a.b.c", "a.0", "__proto__", "nats.kv"),
    value: fc
      .constantFrom("1", '"s"', "null", '{"b":{"c":1}}', '{"0":2}', "[7]")
      .map((text) => ({ text, kind: "json" as const })),
    refused: fc.constant("for a test"),
  },
  { requiredKeys: ["key"] },
);
const changes = fc.array(change, { maxLength: 4, size: "max" });
// Most of the time the same bucket and the same owner, so that changes meet and transactions go through.
const bucket = fc.constantFrom("x", "x", "x", "x", ROOT, "y");
const owner = fc.oneof(
  { weight: 9, arbitrary: fc.constant(OWNERS[0]!) },
  { weight: 1, arbitrary: fc.constant(OWNERS[1]!) },
);

type Action =
  | { do: "begin" | "commit" | "abort" | "snapshot" | "throwing listener" }
  | { do: "release"; which: number }
  | {
      /** A write is a change and its commit. */
      do: "mount" | "change" | "write";
      bucket: string;
      owner: object;
      changes: Omit<KeyChange, "revision">[];
    }
  | { do: "follow" | "unmount"; bucket: string; owner: object };

const always = (name: "begin" | "commit" | "abort" | "snapshot" | "throwing listener") =>
  fc.constant<Action>({ do: name });
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 3, arbitrary: always("begin") },
  { weight: 4, arbitrary: always("commit") },
  { weight: 1, arbitrary: always("abort") },
  { weight: 4, arbitrary: always("snapshot") },
  { weight: 1, arbitrary: always("throwing listener") },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("release" as const), which: fc.nat(5) }) },
  {
    weight: 9,
    arbitrary: fc.record({
      do: fc.constantFrom("mount" as const, "change" as const, "write" as const, "write" as const),
      bucket,
      owner,
      changes,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom("follow" as const, "unmount" as const),
      bucket,
      owner,
    }),
  },
);

/** The store beside its model. Every step is done to both. */
class World {
  readonly #errors: unknown[] = [];
  readonly store: PolicyStore = new PolicyStore({
    rootBucket: ROOT,
    onListenerError: (error) => this.#errors.push(error),
  });
  readonly #mirror = new Mirror();
  readonly #held: HeldSnapshot[] = [];
  #state: ModelState = new Map();
  #version = 0;
  #revision = 0;
  #thrown = 0;
  #throwing = 0;
  /** Writers in the order in which they came; how many of them have been let in and have not ended. */
  readonly #begun: Promise<OpenTransaction>[] = [];
  #letIn = 0;
  #open: OpenTransaction | undefined;
  #operations: ModelOperation[] = [];

  constructor() {
    this.store.onCommit(this.#mirror.listen);
  }

  async do(action: Action): Promise<void> {
    switch (action.do) {
      case "begin":
        this.#begin();
        return;
      case "snapshot":
        this.#held.push(new HeldSnapshot(this.store, this.#state));
        return;
      case "release":
        this.#held.splice(action.which % Math.max(1, this.#held.length), 1)[0]?.release();
        break;
      case "throwing listener":
        this.#throwing++;
        this.store.onCommit(() => {
          throw new Error("A listener of a test.");
        });
        return;
      case "commit":
        await this.#writer();
        this.#commit();
        break;
      case "abort":
        await this.#writer();
        this.#end((transaction) => transaction.abort());
        break;
      case "write":
        this.#stage(await this.#writer(), { ...action, do: "change" });
        this.#commit();
        break;
      default: {
        const before = this.store.text([]);
        this.#stage(await this.#writer(), action);
        assert.equal(this.store.text([]), before);
        return;
      }
    }
    this.check();
  }

  check(): void {
    expectStore(this.store, this.#state);
    assert.equal(this.store.version, this.#version);
    this.#mirror.expect(this.#state);
    assert.equal(this.#errors.length, this.#thrown);
    assert.ok(this.#letIn <= 1);
    for (const held of this.#held) held.check();
    if (this.#held.length === 0) {
      assert.deepEqual(this.store.snapshotCost, { versions: 0, entries: 0 });
    }
  }

  async end(): Promise<PolicyStore["snapshotCost"]> {
    while (this.#begun.length > 0 || this.#open !== undefined) {
      await this.#writer();
      this.#commit();
      this.check();
    }
    for (const held of this.#held.splice(0)) held.release();
    this.check();
    return this.store.snapshotCost;
  }

  #begin(): void {
    this.#begun.push(
      this.store.begin().then((transaction) => {
        this.#letIn++;
        assert.equal(this.#letIn, 1);
        return transaction;
      }),
    );
  }

  /** The transaction that is open; a writer that waits gets in as soon as the one before has ended. */
  async #writer(): Promise<OpenTransaction> {
    if (this.#open !== undefined) return this.#open;
    if (this.#begun.length === 0) this.#begin();
    this.#open = await this.#begun.shift()!;
    return this.#open;
  }

  #stage(transaction: OpenTransaction, action: Extract<Action, { bucket: string }>): void {
    const { bucket, owner } = action;
    if (action.do === "unmount") {
      transaction.unmount(bucket, owner);
      this.#operations.push({ type: "unmount", bucket, owner });
      return;
    }
    const changes =
      "changes" in action ? action.changes.map((change) => this.#numbered(change)) : [];
    const revision = action.do === "change" ? changes.at(-1)?.revision : ++this.#revision;
    if (action.do === "mount") {
      const document = this.#documentOf(bucket, changes, revision!);
      transaction.mount(bucket, owner, document);
      this.#operations.push({ type: "mount", bucket, owner, changes, revision: revision! });
    } else {
      if (action.do === "follow") transaction.change(bucket, owner, [], revision);
      else transaction.change(bucket, owner, changes);
      this.#operations.push({ type: "change", bucket, owner, changes, revision });
    }
  }

  #numbered(change: Omit<KeyChange, "revision">): KeyChange {
    return { ...change, revision: ++this.#revision };
  }

  #documentOf(bucket: string, changes: readonly KeyChange[], revision: number): BucketDocument {
    const document = this.store.createDocument(bucket);
    for (const change of changes) document.apply(change);
    document.followed(revision);
    return document;
  }

  #commit(): void {
    const expected = afterAll(this.#state, this.#operations);
    const before = copyOf(this.#state);
    this.#end((transaction) => {
      if (expected === undefined) {
        assert.throws(() => transaction.commit(), /mount it before changing it/);
        return;
      }
      const commit = transaction.commit();
      this.#state = expected;
      const differs = JSON.stringify(contentsOf(before)) !== JSON.stringify(contentsOf(expected));
      if (differs) assert.ok(commit !== undefined);
      if (commit === undefined) return;
      this.#version++;
      this.#thrown += this.#throwing;
      assert.equal(commit.version, this.#version);
    });
  }

  #end(how: (transaction: OpenTransaction) => void): void {
    const transaction = this.#open!;
    how(transaction);
    this.#open = undefined;
    this.#operations = [];
    this.#letIn--;
    assert.throws(() => transaction.unmount(ROOT, {}), /already been committed or aborted/);
    assert.throws(() => transaction.commit(), /already been committed or aborted/);
    transaction.abort();
  }
}

function contentsOf(state: ModelState): unknown {
  return [...state]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { entries }]) => [name, [...entries].toSorted(([a], [b]) => (a < b ? -1 : 1))]);
}

describe("the store beside a model that copies everything", () => {
  test("S1 S2 S3 W3 any interleaving of writers, conflicts, aborts and snapshots", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 40, size: "max" }), async (actions) => {
        const world = new World();
        for (const bucket of BUCKETS) {
          await world.do({ do: "mount", bucket, owner: OWNERS[0]!, changes: [] });
        }
        for (const action of actions) await world.do(action);
        expect(await world.end()).toEqual({ versions: 0, entries: 0 });
      }),
      runs(),
    );
  });

  test("S1 the errors of the model are the store's", async () => {
    const store = new PolicyStore();
    const failure: unknown = await store
      .transact((tx) => tx.change("x", OWNERS[0]!, []))
      .catch((error: unknown) => error);
    expect(isBridgeError(failure, "STORE_CONFLICT")).toBe(true);
  });
});
