import { describe, expect, test } from "vitest";
import { isBridgeError } from "../../../src/errors.ts";
import { BucketDocument, type KeyChange } from "../../../src/store/bucket-document.ts";
import { PolicyStore } from "../../../src/store/policy-store.ts";
import type { Commit, OpenTransaction } from "../../../src/store/transaction.ts";

const json = (key: string, text: string, revision = 1): KeyChange => ({
  key,
  revision,
  value: { text, kind: "json" },
});

function documentOf(...changes: KeyChange[]): BucketDocument {
  const document = new BucketDocument();
  for (const change of changes) document.apply(change);
  return document;
}

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** A store with `x` mounted by the owner that comes with it. */
async function storeWithX(): Promise<{ store: PolicyStore; owner: object; commits: Commit[] }> {
  const store = new PolicyStore();
  const owner = {};
  await store.transact((tx) => tx.mount("x", owner, documentOf(json("a", "1"))));
  const commits: Commit[] = [];
  store.onCommit((commit) => commits.push(commit));
  return { store, owner, commits };
}

describe("a transaction", () => {
  test("S1 N57 leaves no trace when it fails half-way through its operations", async () => {
    const { store, owner, commits } = await storeWithX();
    const failure = await failureOf(
      store.transact((tx) => {
        tx.change("x", owner, [json("a", "2", 2)]);
        tx.mount("y", owner, documentOf(json("b", "1")));
        tx.unmount("x", owner);
        tx.change("x", owner, [json("a", "3", 3)]);
      }),
    );
    expect(isBridgeError(failure, "STORE_CONFLICT")).toBe(true);
    expect(store.text([])).toBe('{"nats":{"kv":{"x":{"a":1}}}}');
    expect(store.bucket("x")?.entry("a")?.revision).toBe(1);
    expect([store.version, commits, store.buckets()]).toEqual([1, [], ["x"]]);
  });

  test("S1 N41 leaves no trace when its writer throws, now or later", async () => {
    const { store, owner, commits } = await storeWithX();
    const wrong = new Error("The writer of a test.");
    const now = store.transact((tx) => {
      tx.unmount("x", owner);
      throw wrong;
    });
    const later = store.transact(async (tx) => {
      tx.unmount("x", owner);
      await Promise.resolve();
      throw wrong;
    });
    expect([await failureOf(now), await failureOf(later)]).toEqual([wrong, wrong]);
    expect([store.version, commits, store.hasBucket("x")]).toEqual([1, [], true]);
    await store.transact((tx) => tx.unmount("x", owner));
    expect(store.version).toBe(2);
  });

  test("S1 leaves no trace when it is aborted, and takes nothing more", async () => {
    const { store, owner, commits } = await storeWithX();
    const transaction = await store.begin();
    transaction.unmount("x", owner);
    transaction.abort();
    transaction.abort();
    expect([store.version, commits, store.hasBucket("x")]).toEqual([1, [], true]);
    for (const use of [
      () => transaction.commit(),
      () => transaction.unmount("x", owner),
      () => transaction.change("x", owner, []),
      () => transaction.mount("y", owner, documentOf()),
    ]) {
      expect(use).toThrow(/begin a new one/);
    }
  });

  test("S1 is seen by nobody before its commit, and by everybody after it", async () => {
    const { store, owner } = await storeWithX();
    const transaction = await store.begin();
    transaction.mount("y", owner, documentOf(json("b", "2")));
    transaction.change("x", owner, [json("a", "3", 3), json("c", "4", 4)]);
    expect(store.text([])).toBe('{"nats":{"kv":{"x":{"a":1}}}}');
    expect(store.hasBucket("y")).toBe(false);
    let seen: string | undefined;
    store.onCommit(() => (seen = store.text([])));
    expect(transaction.commit()?.version).toBe(2);
    expect(seen).toBe('{"nats":{"kv":{"x":{"a":3,"c":4},"y":{"b":2}}}}');
    expect(store.bucket("x")?.revision).toBe(4);
  });

  test("S1 that changes nothing is no commit, but the bucket has been followed further", async () => {
    const { store, owner, commits } = await storeWithX();
    const nothing = await store.transact((tx) => {
      tx.change("x", owner, [json("a", "1", 1), { key: "none", revision: 8 }], 9);
      tx.unmount("y", owner);
    });
    expect([nothing, store.version, commits]).toEqual([undefined, 1, []]);
    expect(store.bucket("x")?.revision).toBe(9);
  });

  test("S1 tells its listeners each difference, in order", async () => {
    const { store, owner, commits } = await storeWithX();
    const document = documentOf(json("b", "1"));
    await store.transact((tx) => {
      tx.change("x", owner, [json("a", "2", 2), { key: "a", revision: 3 }]);
      tx.change("x", owner, [{ key: "b", revision: 4, refused: "for a test" }]);
      tx.mount("y", owner, document);
      tx.unmount("x", owner);
    });
    const changes = [
      { type: "put", bucket: "x", key: "a", text: "2", revision: 2 },
      { type: "delete", bucket: "x", key: "a", revision: 3 },
      { type: "mount", bucket: "y", document },
      { type: "unmount", bucket: "x" },
    ];
    expect(commits).toEqual([{ version: 2, changes }]);
  });
});

describe("a commit's listeners", () => {
  test("S1 a listener that throws breaks neither the commit nor the listeners after it", async () => {
    const errors: unknown[] = [];
    const store = new PolicyStore({ onListenerError: (error) => errors.push(error) });
    const wrong = new Error("The listener of a test.");
    const versions: number[] = [];
    store.onCommit(() => {
      throw wrong;
    });
    store.onCommit(({ version }) => versions.push(version));
    for (const bucket of ["x", "y"]) {
      await store.transact((tx) => tx.mount(bucket, {}, documentOf()));
    }
    expect([versions, errors, store.buckets()]).toEqual([
      [1, 2],
      [wrong, wrong],
      ["x", "y"],
    ]);
  });

  test("S1 an error handler that throws itself breaks nothing either", async () => {
    const store = new PolicyStore({
      onListenerError: (error) => {
        throw error;
      },
    });
    const versions: number[] = [];
    store.onCommit(() => {
      throw new Error("The listener of a test.");
    });
    store.onCommit(({ version }) => versions.push(version));
    const commit = await store.transact((tx) => tx.mount("x", {}, documentOf()));
    expect([commit?.version, versions]).toEqual([1, [1]]);
  });

  test("are not called any more once they have said so", async () => {
    const { store, owner, commits } = await storeWithX();
    const versions: number[] = [];
    const end = store.onCommit(({ version }) => versions.push(version));
    await store.transact((tx) => tx.change("x", owner, [json("a", "2", 2)]));
    end();
    end();
    await store.transact((tx) => tx.change("x", owner, [json("a", "3", 3)]));
    expect([versions, commits.map(({ version }) => version)]).toEqual([[2], [2, 3]]);
  });
});

describe("writers and readers", () => {
  test("S2 writers come one after the other, in the order in which they asked", async () => {
    const { store } = await storeWithX();
    const letIn: number[] = [];
    const writers = [1, 2, 3].map(async (number): Promise<OpenTransaction> => {
      const transaction = await store.begin();
      letIn.push(number);
      return transaction;
    });
    const first = await writers[0]!;
    await new Promise(setImmediate);
    expect(letIn).toEqual([1]);
    first.abort();
    const second = await writers[1]!;
    await new Promise(setImmediate);
    expect(letIn).toEqual([1, 2]);
    second.commit();
    (await writers[2]!).abort();
    expect(letIn).toEqual([1, 2, 3]);
  });

  test("S2 N1 a reader and an open writer never wait for each other", async () => {
    const { store, owner } = await storeWithX();
    const reader = store.snapshot();
    const transaction = await store.begin();
    // With a writer in and another one waiting, every read answers within this very turn.
    const waiting = store.begin();
    expect([store.hasBucket("x"), store.hasBucket("y")]).toEqual([true, false]);
    expect(store.text(["nats", "kv", "x", "a"])).toBe("1");
    expect(store.snapshot().bucket("x")?.text()).toBe('{"a":1}');
    transaction.mount("y", owner, documentOf(json("b", "2")));
    transaction.unmount("x", owner);
    expect(transaction.commit()?.version).toBe(2);
    expect(store.hasBucket("x")).toBe(false);
    expect(reader.bucket("x")?.text()).toBe('{"a":1}');
    expect(reader.bucket("y")).toBeUndefined();
    reader.release();
    (await waiting).abort();
  });
});

describe("a bucket's owner", () => {
  test("W3 only the owner changes a bucket", async () => {
    const { store, commits } = await storeWithX();
    for (const bucket of ["x", "y"]) {
      const failure = await failureOf(store.transact((tx) => tx.change(bucket, {}, [])));
      expect(isBridgeError(failure, "STORE_CONFLICT")).toBe(true);
    }
    expect(commits).toEqual([]);
  });

  test("N4 W3 a watcher that stops late takes nothing from the one that came after it", async () => {
    const { store, owner, commits } = await storeWithX();
    const later = {};
    await store.transact((tx) => tx.mount("x", later, documentOf(json("a", "2"))));
    expect(await store.transact((tx) => tx.unmount("x", owner))).toBeUndefined();
    expect(store.text(["nats", "kv", "x"])).toBe('{"a":2}');
    await store.transact((tx) => tx.unmount("x", later));
    expect(store.text(["nats", "kv"])).toBe("{}");
    expect(commits.map(({ version }) => version)).toEqual([2, 3]);
  });

  test("W3 the owner that a transaction mounts may change and unmount in the same one", async () => {
    const { store, owner } = await storeWithX();
    await store.transact((tx) => {
      tx.mount("y", owner, documentOf(json("a", "1")));
      tx.change("y", owner, [json("a", "2", 2)]);
    });
    expect(store.text(["nats", "kv", "y"])).toBe('{"a":2}');
  });

  test("S3 a document is mounted once, because snapshots may still read it", async () => {
    const { store, owner } = await storeWithX();
    const document = store.bucket("x")!;
    const twice = documentOf();
    for (const write of [
      () => store.transact((tx) => tx.mount("x", owner, document)),
      () => store.transact((tx) => [1, 2].forEach((n) => tx.mount(`y${n}`, owner, twice))),
    ]) {
      const failure = await failureOf(write());
      expect(isBridgeError(failure, "STORE_CONFLICT")).toBe(true);
    }
    expect(store.buckets()).toEqual(["x"]);
    // An attempt that failed has not used the document up.
    await store.transact((tx) => tx.mount("y", owner, twice));
    expect(store.buckets()).toEqual(["x", "y"]);
  });
});
