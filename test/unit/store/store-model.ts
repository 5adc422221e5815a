import { strict as assert } from "node:assert";
import type { KeyChange } from "../../../src/store/bucket-document.ts";
import type { DocumentEntry } from "../../../src/store/document.ts";
import type { CommitListener, PolicyStore } from "../../../src/store/policy-store.ts";
import type { BucketView, StoreSnapshot } from "../../../src/store/snapshot.ts";
import { canonical, canonicalText, type Exact } from "../../support/exact-json.ts";
import { documentOf, valueAt } from "./model.ts";

export const ROOT: string = "root";
export const BUCKETS: readonly string[] = [ROOT, "x", "y"];

export interface ModelBucket {
  owner: object;
  revision: number;
  readonly entries: Map<string, { text: string; revision: number }>;
  readonly refused: Set<string>;
}

/** The whole store as plain maps: what a copy of everything at every version would be. */
export type ModelState = Map<string, ModelBucket>;

export type ModelOperation =
  | { type: "mount"; bucket: string; owner: object; changes: KeyChange[]; revision: number }
  | {
      type: "change";
      bucket: string;
      owner: object;
      changes: KeyChange[];
      revision: number | undefined;
    }
  | { type: "unmount"; bucket: string; owner: object };

export function copyOf(state: ModelState): ModelState {
  return new Map(
    [...state].map(([name, bucket]) => [
      name,
      { ...bucket, entries: new Map(bucket.entries), refused: new Set(bucket.refused) },
    ]),
  );
}

function applyTo(bucket: ModelBucket, name: string, changes: readonly KeyChange[]): void {
  for (const { key, revision, value, refused } of changes) {
    bucket.entries.delete(key);
    bucket.refused.delete(key);
    const reserved = name === ROOT && /^(?:nats|system)(?:\.|$)/.test(key);
    if (refused !== undefined || (value !== undefined && reserved)) bucket.refused.add(key);
    else if (value !== undefined) bucket.entries.set(key, { text: value.text, revision });
  }
}

/** The state after a transaction; undefined where it must fail. */
export function afterAll(
  before: ModelState,
  operations: readonly ModelOperation[],
): ModelState | undefined {
  const state = copyOf(before);
  for (const operation of operations) {
    const { bucket: name, owner } = operation;
    const bucket = state.get(name);
    if (operation.type === "mount") {
      const { revision, changes } = operation;
      const mounted = { owner, revision, entries: new Map(), refused: new Set<string>() };
      applyTo(mounted, name, changes);
      state.set(name, mounted);
    } else if (operation.type === "unmount") {
      if (bucket?.owner === owner) state.delete(name);
    } else {
      if (bucket?.owner !== owner) return undefined;
      applyTo(bucket, name, operation.changes);
      bucket.revision = operation.revision ?? bucket.revision;
    }
  }
  return state;
}

const utf8 = new TextEncoder();

function documentOfBucket(bucket: ModelBucket): Map<string, Exact> {
  return documentOf(
    new Map([...bucket.entries].map(([key, { text }]) => [key, utf8.encode(text)])),
  );
}

const PATHS = [[], ["a"], ["a", "b"], ["a", "b", "c"], ["a", "0"], ["__proto__"], ["c"]];

type Entries = Iterable<readonly [key: string, entry: DocumentEntry]>;

function entriesText(entries: Entries): string {
  return JSON.stringify(
    [...entries].map(([key, { text, revision }]) => `${key} ${revision} ${text}`).toSorted(),
  );
}

/** All that can be read of a bucket, in one text, because thousands of them are compared. */
function readAll(view: Readable): string {
  const entries = [...view.entries()];
  for (const [key, entry] of entries) assert.deepEqual(view.entry(key), entry);
  const texts = PATHS.map((path) => canonical(view.text(path)));
  return `${view.revision} ${entriesText(entries)} ${view.entry("a.none")?.text} ${texts.join(" ")}`;
}

/** What {@link readAll} must come to. */
function expectedOf(bucket: ModelBucket): string {
  const whole = documentOfBucket(bucket);
  const texts = PATHS.map((path) => canonicalAt(whole, path));
  return `${bucket.revision} ${entriesText(bucket.entries)} undefined ${texts.join(" ")}`;
}

interface Readable {
  readonly revision: number;
  entry(key: string): DocumentEntry | undefined;
  text(path?: readonly string[]): string | undefined;
  entries(): Iterable<[key: string, entry: DocumentEntry]>;
}

function canonicalAt(document: Exact, path: readonly string[]): string | undefined {
  const value = valueAt(document, path);
  return value === undefined ? undefined : canonicalText(value);
}

/** All that can be read of the store is what the model says. */
export function expectStore(store: PolicyStore, state: ModelState): void {
  assert.deepEqual(store.buckets().toSorted(), [...state.keys()].toSorted());
  for (const name of BUCKETS) {
    const bucket = state.get(name);
    assert.equal(store.hasBucket(name), bucket !== undefined);
    const document = store.bucket(name);
    assert.equal(document && readAll(document), bucket && expectedOf(bucket));
    assert.equal(document?.figures().refusedCount, bucket?.refused.size);
  }
  const root = state.get(ROOT);
  const others = [...state].filter(([name]) => name !== ROOT);
  const kv = new Map(others.map(([name, bucket]) => [name, documentOfBucket(bucket)]));
  const data = new Map<string, Exact>(root === undefined ? [] : documentOfBucket(root));
  data.set("nats", new Map([["kv", kv]]));
  const paths = [
    [],
    ["nats"],
    ["nats", "kv"],
    ["nats", "kv", "x"],
    ["nats", "kv", ROOT],
    ["a", "b"],
  ];
  for (const path of [...paths, ["nats", "kv", "x", "a", "b"], ["nats", "x"], ["system"]]) {
    assert.equal(canonical(store.text(path)), canonicalAt(data, path), path.join("/"));
  }
}

/** A snapshot with a deep copy of what it must go on showing, and the views that were asked for when it was taken. */
export class HeldSnapshot {
  readonly #snapshot: StoreSnapshot;
  readonly #expected: ReadonlyMap<string, string>;
  readonly #version: number;
  readonly #early = new Map<string, BucketView | undefined>();

  constructor(store: PolicyStore, state: ModelState) {
    this.#snapshot = store.snapshot();
    this.#expected = new Map([...state].map(([name, bucket]) => [name, expectedOf(bucket)]));
    this.#version = store.version;
    for (const name of BUCKETS) this.#early.set(name, this.#snapshot.bucket(name));
  }

  check(): void {
    assert.equal(this.#snapshot.version, this.#version);
    for (const name of BUCKETS) {
      for (const view of [this.#early.get(name), this.#snapshot.bucket(name)]) {
        assert.equal(view && readAll(view), this.#expected.get(name));
      }
    }
  }

  release(): void {
    this.#snapshot.release();
  }
}

/** A copy of the store that is kept by what the commits say alone. */
export class Mirror {
  readonly buckets: Map<string, Map<string, { text: string; revision: number }>> = new Map();
  readonly versions: number[] = [];

  readonly listen: CommitListener = ({ version, changes }) => {
    this.versions.push(version);
    for (const change of changes) {
      if (change.type === "mount") {
        // As mounted: what the same commit changes afterwards must come to the same.
        this.buckets.set(change.bucket, new Map(change.document.entries()));
      } else if (change.type === "unmount") this.buckets.delete(change.bucket);
      else if (change.type === "delete") this.buckets.get(change.bucket)!.delete(change.key);
      else {
        const { text, revision } = change;
        this.buckets.get(change.bucket)!.set(change.key, { text, revision });
      }
    }
  };

  expect(state: ModelState): void {
    const texts = (buckets: Iterable<[string, Entries]>): string[] =>
      [...buckets].map(([name, entries]) => `${name} ${entriesText(entries)}`).toSorted();
    const expected = [...state].map(([name, { entries }]): [string, Entries] => [name, entries]);
    assert.deepEqual(texts(this.buckets), texts(expected));
    assert.deepEqual(
      this.versions,
      this.versions.map((_, index) => index + 1),
    );
  }
}
