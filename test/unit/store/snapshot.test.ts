import { describe, expect, test } from "vitest";
import { BucketDocument, type KeyChange } from "../../../src/store/bucket-document.ts";
import { PolicyStore } from "../../../src/store/policy-store.ts";

const KEYS = 1000;
const json = (key: string, text: string, revision = 1): KeyChange => ({
  key,
  revision,
  value: { text, kind: "json" },
});

/** A store whose bucket `x` has a thousand keys, and a way to change them. */
async function thousandKeys() {
  const store = new PolicyStore();
  const owner = {};
  const document = new BucketDocument();
  for (let index = 0; index < KEYS; index++) document.apply(json(`k.${index}`, "0"));
  await store.transact((tx) => tx.mount("x", owner, document));
  let revision = 1;
  const put = (key: string, text: string) =>
    store.transact((tx) => tx.change("x", owner, [json(key, text, ++revision)]));
  return { store, owner, put };
}

describe("a snapshot", () => {
  test("S3 costs nothing when none is open, and what has changed since when one is", async () => {
    const { store, put } = await thousandKeys();
    await put("k.1", "1");
    expect(store.snapshotCost).toEqual({ versions: 0, entries: 0 });
    const snapshot = store.snapshot();
    expect(store.snapshotCost).toEqual({ versions: 1, entries: 0 });
    for (let round = 0; round < 50; round++) {
      await put("k.1", String(round));
      await put("k.2", String(round));
      await put("new", String(round));
    }
    expect(store.snapshotCost).toEqual({ versions: 1, entries: 3 });
    expect(snapshot.bucket("x")?.text(["k", "1"])).toBe("1");
    expect(snapshot.bucket("x")?.text(["new"])).toBeUndefined();
    snapshot.release();
    expect(store.snapshotCost).toEqual({ versions: 0, entries: 0 });
  });

  test("S3 counts the entries of a document that it alone keeps", async () => {
    const { store, owner } = await thousandKeys();
    const snapshot = store.snapshot();
    await store.transact((tx) => tx.unmount("x", owner));
    expect(store.snapshotCost).toEqual({ versions: 1, entries: KEYS });
    snapshot.release();
    expect(store.snapshotCost).toEqual({ versions: 0, entries: 0 });
  });

  test("S3 shares its version with the others of the same version", async () => {
    const { store, put } = await thousandKeys();
    const snapshots = [store.snapshot(), store.snapshot(), store.snapshot()];
    expect(store.snapshotCost.versions).toBe(1);
    await put("k.1", "1");
    for (const snapshot of snapshots) {
      expect(store.snapshotCost).toEqual({ versions: 1, entries: 1 });
      expect(snapshot.bucket("x")?.entry("k.1")?.text).toBe("0");
      snapshot.release();
      snapshot.release();
    }
    expect(store.snapshotCost).toEqual({ versions: 0, entries: 0 });
  });

  test("S3 leaves what it knows to the older ones when it is released before them", async () => {
    const { store, owner, put } = await thousandKeys();
    const oldest = store.snapshot();
    await put("k.1", "1");
    const middle = store.snapshot();
    await put("k.1", "2");
    await put("k.2", "2");
    const newest = store.snapshot();
    await store.transact((tx) => tx.unmount("x", owner));
    newest.release();
    middle.release();
    expect(oldest.bucket("x")?.text(["k", "1"])).toBe("0");
    expect(oldest.bucket("x")?.text(["k", "2"])).toBe("0");
    expect(oldest.bucket("x")?.entries()).toHaveLength(KEYS);
    oldest.release();
    expect(store.snapshotCost).toEqual({ versions: 0, entries: 0 });
  });

  test("S3 a view that was asked for before the commits does not see them", async () => {
    const { store, owner, put } = await thousandKeys();
    using snapshot = store.snapshot();
    const view = snapshot.bucket("x")!;
    const entries = view.entries();
    await put("k.1", "1");
    await store.transact((tx) => tx.mount("x", {}, new BucketDocument()));
    await store.transact((tx) => tx.unmount("x", owner));
    expect(view.revision).toBe(0);
    expect(view.entry("k.1")).toEqual({ text: "0", revision: 1 });
    expect(view.text(["k", "1"])).toBe("0");
    expect(new Map(entries).get("k.1")).toEqual({ text: "0", revision: 1 });
    expect(entries).toHaveLength(KEYS);
  });

  test("S3 S4 shows no element of an array that a key beside the path hid at that version", async () => {
    const { store, owner, put } = await thousandKeys();
    await put("a", "[7]");
    await put("b", '{"c":[8]}');
    await put("a.x.y", "1");
    await put("b.c.x", "1");
    using hidden = store.snapshot();
    const remove = (key: string) =>
      store.transact((tx) => tx.change("x", owner, [{ key, revision: 100 }]));
    await remove("a.x.y");
    await remove("b.c.x");
    using shown = store.snapshot();
    await remove("a");
    await remove("b");
    const read = (snapshot: typeof shown) =>
      [
        ["a", "0"],
        ["b", "c", "0"],
      ].map((path) => snapshot.bucket("x")!.text(path));
    expect(read(hidden)).toEqual([undefined, undefined]);
    expect(read(shown)).toEqual(["7", "8"]);
  });

  test("S3 of the same version sees how far the bucket had been followed when it was taken", async () => {
    const { store, owner } = await thousandKeys();
    using before = store.snapshot();
    await store.transact((tx) => tx.change("x", owner, [], 42));
    using after = store.snapshot();
    await store.transact((tx) => tx.change("x", owner, [], 43));
    expect(before.version).toBe(after.version);
    expect(before.bucket("x")?.revision).toBe(0);
    expect(after.bucket("x")?.revision).toBe(42);
  });

  test("S3 says so when it is read after its release, rather than that there is no bucket", async () => {
    const { store } = await thousandKeys();
    const snapshot = store.snapshot();
    const view = snapshot.bucket("x")!;
    snapshot.release();
    for (const read of [
      () => snapshot.bucket("x"),
      () => snapshot.bucket("none"),
      () => view.revision,
      () => view.entry("k.1"),
      () => view.text(),
      () => view.entries(),
    ]) {
      expect(read).toThrow(/snapshot of version 1 has been released/);
    }
  });

  test("S3 is released at the end of its block", async () => {
    const { store } = await thousandKeys();
    {
      using snapshot = store.snapshot();
      expect(snapshot.version).toBe(1);
    }
    expect(store.snapshotCost.versions).toBe(0);
  });
});
