import { describe, expect, it } from "vitest";
import { BaseData } from "../../../src/policy/base-data.ts";
import { parseBundle, readBundle } from "../../../src/policy/bundle.ts";
import { PolicyEngine } from "../../../src/policy/engine.ts";
import { PolicyStore } from "../../../src/store/policy-store.ts";
import { type Content, policyWith, refusal } from "./bundle-kit.ts";
import { demandOn } from "./demand.ts";

function withRoots(
  roots: readonly string[],
  files: readonly (readonly [string, Content])[],
  entrypoints: readonly string[] = [],
): Promise<Buffer> {
  const wasm = entrypoints.map((entrypoint) => ({ entrypoint, module: "/policy.wasm" }));
  return policyWith(["/.manifest", JSON.stringify({ roots, wasm })], ...files);
}

describe("the roots of a bundle", () => {
  it.each<[string, () => Promise<Buffer>, RegExp]>([
    [
      "an entrypoint outside of them",
      () => withRoots(["a", "c"], [], ["a/x", "b/x"]),
      /the entrypoint "b\/x" is outside its roots/,
    ],
    [
      "a package outside of them",
      () => withRoots(["a/b"], [["/p.rego", "package a.c"]]),
      /the package "a\/c" is outside its roots/,
    ],
    [
      "data outside of them",
      () => withRoots(["a/b"], [["/data.json", '{"a":{"b":1,"c":2}}']]),
      /its data at "a\/c" is outside its roots/,
    ],
    [
      "one under the other",
      () => withRoots(["a", "b", "a/c"], []),
      /its roots "a" and "a\/c" overlap/,
    ],
    ["one twice", () => withRoots(["a", "a/"], []), /its roots "a" and "a" overlap/],
  ])("must hold what it has: refused with %s", async (_what, make, words) => {
    const error = await refusal(await make());
    expect(error.code).toBe("BUNDLE_INVALID");
    expect(error.message).toMatch(words);
    expect(error.message).toMatch(/; correct the roots in its \.manifest\.$/);
  });

  it("may hold more than it has", async () => {
    const files = [
      ["/data.json", '{"a":{"b":{"x":1}}}'],
      ["/p.rego", "package a.b.c"],
    ] as const;
    const { roots } = await parseBundle(
      await withRoots(["a/b", "empty"], files, ["a/b/c/allow"]),
      "b",
    );
    expect(roots).toEqual(["a/b", "empty"]);
  });
});

describe("what is active together", () => {
  const setUp = (): { store: PolicyStore; engine: PolicyEngine } => {
    const store = new PolicyStore({ rootBucket: "root" });
    const engine = new PolicyEngine({ store, demand: demandOn(store), queryTimeoutMs: 1_000 });
    return { store, engine };
  };

  it("P5 has each decision once, whatever a manifest leaves out", async () => {
    const { engine } = setUp();
    const teams = await readBundle("test/policies/roots/teams/bundle.tar.gz");
    await engine.activate(teams, "teams");
    const copy = { ...teams, roots: ["elsewhere"], data: BaseData.none, packages: [] };
    await expect(engine.activate(copy, "copy")).rejects.toMatchObject({
      code: "BUNDLE_ROOTS",
      message: expect.stringMatching(
        /"teams\/authz\/\w+" of bundle "copy" is in another bundle too; give each/,
      ) as string,
    });
    expect([...engine.policy!.bundles.keys()]).toEqual(["teams"]);
    engine.close();
  });

  it("S6 P5 keeps packages, decisions and data free of the root bucket's keys, also of a bundle that owns everything", async () => {
    const { store, engine } = setUp();
    const teams = await readBundle("test/policies/roots/teams/bundle.tar.gz");
    const data = await BaseData.parse('{"settings":{"own":true}}');
    await engine.activate({ ...teams, roots: [""], packages: [["lib", "names"]], data }, "all");
    const document = store.createDocument("root");
    const keys = ["settings.a", "lib.names.a", "lib", "teams.authz.x", "free", "lib.other"];
    for (const [index, key] of keys.entries()) {
      document.apply({ key, revision: index + 1, value: { text: "1", kind: "json" } });
    }
    await store.transact((tx) => tx.mount("root", {}, document));
    const root = store.bucket("root")!;
    expect(keys.filter((key) => root.refusal(key) !== undefined)).toEqual([
      "settings.a",
      "lib.names.a",
      "lib",
      "teams.authz.x",
    ]);
    expect(root.refusal("settings.a")).toMatch(/belongs to the data of bundle "all"/);
    expect(root.refusal("lib.names.a")).toMatch(/belongs to the policy of bundle "all"/);
    expect(await engine.decide("free", undefined)).toBe("1");
    expect(await engine.decide("settings", undefined)).toBe('{"own":true}');
    engine.close();
  });
});
