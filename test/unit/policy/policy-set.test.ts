import { beforeAll, describe, expect, it } from "vitest";
import { setImmediate as nextTurn } from "node:timers/promises";
import { deferred } from "../../../src/common/async.ts";
import { Slices } from "../../../src/common/slices.ts";
import { BaseData } from "../../../src/policy/base-data.ts";
import type { BucketDemand } from "../../../src/policy/bucket-demand.ts";
import { type Bundle, readBundle } from "../../../src/policy/bundle.ts";
import { PolicyEngine } from "../../../src/policy/engine.ts";
import type { PolicySet } from "../../../src/policy/policy-set.ts";
import { PolicyStore } from "../../../src/store/policy-store.ts";
import type { StoredValue } from "../../../src/store/value.ts";
import { demandOn } from "./demand.ts";

let teams: Bundle;
let docs: Bundle;
beforeAll(async () => {
  teams = await readBundle("test/policies/roots/teams/bundle.tar.gz");
  docs = await readBundle("test/policies/roots/docs/bundle.tar.gz");
});

async function dataBundle(text: string, roots: string[], revision = "data-1"): Promise<Bundle> {
  return { revision, roots, wasm: undefined, data: await BaseData.parse(text), packages: [] };
}

function json(text: string): StoredValue {
  return { text, kind: "json" };
}

/** The active set with what only the engine sees of it. */
function setOf(engine: PolicyEngine): PolicySet {
  return engine.policy as PolicySet;
}

interface Setup {
  readonly store: PolicyStore;
  readonly engine: PolicyEngine;
  ask(path: string, input?: unknown): Promise<unknown>;
  mount(bucket: string, entries: Readonly<Record<string, string>>): Promise<void>;
}

function setUp(changeDemand: (demand: BucketDemand) => BucketDemand = (demand) => demand): Setup {
  const store = new PolicyStore({ rootBucket: "root" });
  const engine = new PolicyEngine({
    store,
    demand: changeDemand(demandOn(store)),
    queryTimeoutMs: 5_000,
    maxMemoryBytes: 64 * 1024 * 1024,
    slices: new Slices(0),
  });
  return {
    store,
    engine,
    async ask(path, input) {
      const text = await engine.decide(
        path,
        input === undefined ? undefined : JSON.stringify(input),
      );
      return text === undefined ? undefined : (JSON.parse(text) as unknown);
    },
    async mount(bucket, entries) {
      const document = store.createDocument(bucket);
      let revision = 0;
      for (const [key, text] of Object.entries(entries)) {
        document.apply({ key, revision: ++revision, value: json(text) });
      }
      await store.transact((tx) => tx.mount(bucket, owner, document));
    },
  };
}

const owner = {};

describe("several bundles at once", () => {
  it("P5 each path is answered by the bundle that it belongs to, with the data of all", async () => {
    const { engine, ask, mount } = setUp();
    await mount("b", { k: "1" });
    await engine.activate(teams, "teams");
    expect(await ask("teams/authz/labels")).toBeUndefined();
    await engine.activate(docs, "docs");
    await engine.activate(
      await dataBundle('{"labels":{"x":9007199254740993}}', ["labels"]),
      "data",
    );
    expect(await ask("teams/authz/allow", { user: "alice" })).toBe(true);
    expect(await ask("docs/authz/read", { user: "alice" })).toBe(true);
    expect(await engine.decide("teams/authz/labels/x", undefined)).toBe("9007199254740993");
    expect(await engine.decide("labels", undefined)).toBe('{"x":9007199254740993}');
    expect(await ask("docs/authz/everything")).toMatchObject({
      teams: { admins: ["alice"] },
      kv: { b: { k: 1 } },
    });
    expect(engine.policy?.revisions).toEqual(
      new Map([
        ["teams", "teams-1"],
        ["docs", "docs-1"],
        ["data", "data-1"],
      ]),
    );
    expect(engine.policy?.entrypoints).toHaveLength(6);
  });

  it("P5 a bundle of data that is replaced is replaced for every policy, and one that isn't costs nothing", async () => {
    const { engine, ask } = setUp();
    await engine.activate(teams, "teams");
    await engine.activate(docs, "docs");
    const data = await dataBundle('{"labels":{"a":1,"b":2}}', ["labels"]);
    await engine.activate(data, "data");
    expect(await ask("teams/authz/labels")).toEqual({ a: 1, b: 2 });
    await engine.activate(await dataBundle('{"labels":{"b":3}}', ["labels"]), "data");
    expect(await ask("teams/authz/labels")).toEqual({ b: 3 });
    expect(await ask("docs/authz/everything")).toMatchObject({ labels: { b: 3 } });
    const before = setOf(engine);
    await engine.activate({ ...docs, data: docs.data, revision: "docs-2" }, "docs");
    const target = before.target("teams/authz/allow").entrypoint!.policy;
    expect(setOf(engine).has(target)).toBe(true);
  });

  it.each([
    ["teams", "the same root"],
    ["teams/authz", "a root under another's"],
    ["", "all of data"],
  ])("P5 is refused: %j, %s, with both owners named", async (root) => {
    const { engine, ask } = setUp();
    await engine.activate(teams, "teams");
    const other = await dataBundle("{}", [root]);
    await expect(engine.activate(other, "other")).rejects.toMatchObject({
      code: "BUNDLE_ROOTS",
      message: expect.stringMatching(/bundle "other".*bundle "teams".*;/) as string,
    });
    expect(engine.policy?.revisions).toEqual(new Map([["teams", "teams-1"]]));
    expect(await ask("teams/authz/allow", { user: "alice" })).toBe(true);
  });

  it("P5 is refused: a root or data where the watched buckets stand", async () => {
    const { engine } = setUp();
    const words = /bundle "other".*watched buckets|watched buckets.*bundle "other"/i;
    for (const bad of [
      await dataBundle("{}", ["nats/kv"]),
      await dataBundle('{"nats":{"kv":{}}}', [""]),
    ]) {
      await expect(engine.activate(bad, "other")).rejects.toMatchObject({
        code: "BUNDLE_ROOTS",
        message: expect.stringMatching(words) as string,
      });
    }
    expect(engine.policy).toBeUndefined();
  });
});

/** A policy's demand for a bucket, `asked`, is held up until `loaded`. */
function setUpHeldUp() {
  const asked = deferred();
  const loaded = deferred();
  const load = (): Promise<void> => {
    asked.resolve();
    return loaded.promise;
  };
  return { asked, loaded, ...setUp((demand) => ({ ...demand, load })) };
}

describe("a swap", () => {
  it("P5 a query that waits across it ends on the bundle that it began with", async () => {
    const { engine, ask, mount, asked, loaded } = setUpHeldUp();
    await engine.activate(teams, "bundle");
    const waiting = ask("teams/authz/waiting", { key: "k" });
    await asked.promise;
    const other = { ...docs, roots: ["docs"] };
    await engine.activate(other, "bundle");
    expect(await ask("teams/authz/waiting", { key: "k" })).toBeUndefined();
    await mount("slow", { k: '"late"' });
    loaded.resolve();
    expect(await waiting).toEqual(["late", "late"]);
    expect(await ask("docs/authz/read", { doc: "readme" })).toBe(true);
  });

  it("S6 P5 a new bundle's data and roots are kept free of the root bucket's keys from the swap on, an old one's come free", async () => {
    const { engine, store, ask, mount } = setUp();
    await engine.activate(teams, "teams");
    await mount("root", { "settings.a": "1", "teams.x": '"mine"', other: "2", "labels.z": "3" });
    expect(await ask("teams/authz/root")).toEqual({ a: 1 });
    expect(await ask("labels")).toEqual({ z: 3 });
    const data = await dataBundle('{"settings":{"own":true}}', ["settings", "labels"]);
    const commits: unknown[] = [];
    store.onCommit(({ changes }) =>
      commits.push(...changes.map(({ type, bucket }) => [type, bucket])),
    );
    await engine.activate(data, "data");
    expect(commits).toEqual([
      ["delete", "root"],
      ["delete", "root"],
    ]);
    expect(await ask("teams/authz/root")).toEqual({ own: true });
    expect(await ask("settings")).toEqual({ own: true });
    expect(await ask("labels")).toBeUndefined();
    expect(store.bucket("root")?.refusal("settings.a")).toMatch(/belongs to .*bundle "data"/);
    // Given back, and read by every policy and by nobody's instance that is gone.
    await engine.activate(await dataBundle("{}", ["elsewhere"]), "data");
    expect(await ask("teams/authz/root")).toEqual({ a: 1 });
    expect(await ask("labels")).toEqual({ z: 3 });
    expect(store.bucket("root")?.refused.size).toBe(1);
  });

  it("S6 P5 a query that waits across the swap still sees its own bundle's data, not what the root bucket got back", async () => {
    const { engine, ask, mount, asked, loaded } = setUpHeldUp();
    await engine.activate(teams, "teams");
    await engine.activate(
      await dataBundle(
        '{"settings":{"own":true}}',
        [""].map(() => "settings"),
      ),
      "data",
    );
    await mount("root", { "settings.a": "1" });
    const policy = setOf(engine).target("teams/authz/root").entrypoint!.policy;
    const waiting = ask("teams/authz/waiting", { key: "k" });
    await asked.promise;
    await engine.activate(await dataBundle("{}", ["elsewhere"]), "data");
    expect(await ask("teams/authz/root")).toEqual({ a: 1 });
    const old = setOf(engine).has(policy);
    expect(old).toBe(false);
    const { Query } = await import("../../../src/policy/query.ts");
    const number = policy.entrypoints.get("teams/authz/root")!;
    expect(policy.evaluate(number, undefined, new Query(false))).toBe('{"own":true}');
    await mount("slow", { k: "1" });
    loaded.resolve();
    expect(await waiting).toEqual([1, 1]);
  });

  it("S6 P5 a root bucket that is being loaded while a bundle takes over follows the new bundle's rules", async () => {
    const { engine, store, ask } = setUp();
    await engine.activate(teams, "teams");
    const document = store.createDocument("root");
    document.apply({ key: "settings.a", revision: 1, value: json("1") });
    document.apply({ key: "free", revision: 2, value: json("2") });
    await store.prepare("root", document);
    await engine.activate(await dataBundle('{"settings":{"own":true}}', ["settings"]), "data");
    await store.transact((tx) => tx.mount("root", owner, document));
    expect(await ask("settings")).toEqual({ own: true });
    expect(await ask("teams/authz/root")).toEqual({ own: true });
    expect(await ask("free")).toBe(2);
  });

  it("P4 P5 decisions go on, one after the other, while a bundle with much data is put in place", async () => {
    const { engine, ask } = setUp();
    await engine.activate(teams, "teams");
    const members = Array.from({ length: 3_000 }, (_, index) => `"m${index}":{"n":${index}}`);
    const data = await dataBundle(`{"labels":{${members.join(",")}}}`, ["labels"]);
    const activated = engine.activate(data, "data").then(() => true);
    let decisions = 0;
    do {
      expect(await ask("teams/authz/allow", { user: "alice" })).toBe(true);
      const labels = await ask("teams/authz/labels");
      const size = labels === undefined ? 0 : Object.keys(labels as object).length;
      expect(size).toBe(engine.policy!.bundles.has("data") ? 3_000 : 0);
      decisions++;
    } while ((await Promise.race([activated, nextTurn()])) === undefined);
    expect(decisions).toBeGreaterThan(100);
    expect(await ask("teams/authz/labels/m2999")).toEqual({ n: 2_999 });
  });
});
