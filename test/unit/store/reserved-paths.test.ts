import { describe, expect, test } from "vitest";
import { ReservedPaths } from "../../../src/store/reserved-paths.ts";

const paths = new ReservedPaths([
  { path: ["app", "authz"], owner: "the policy" },
  { path: ["settings"], owner: "the bundle's data" },
]);

describe("ReservedPaths", () => {
  test.each([
    ["nats", "data.nats belongs to the watched buckets"],
    ["nats.kv.other", "data.nats belongs to the watched buckets"],
    ["system", "data.system belongs to OPA's own policies"],
    ["system.authz.allow", "data.system belongs to OPA's own policies"],
    ["app", "data.app.authz belongs to the policy"],
    ["app.authz", "data.app.authz belongs to the policy"],
    ["app.authz.allow.x", "data.app.authz belongs to the policy"],
    ["settings", "data.settings belongs to the bundle's data"],
    ["settings.limits", "data.settings belongs to the bundle's data"],
  ])("N51 S6 the root bucket may not hold %s", (key, reason) => {
    expect(paths.conflictWith(key)).toBe(reason);
  });

  test.each(["natsx", "nat", "systems.a", "app.other", "app.authz2", "users.nats", "a.settings"])(
    "S6 the root bucket may hold %s",
    (key) => {
      expect(paths.conflictWith(key)).toBeUndefined();
    },
  );

  test("S6 nats and system are reserved whatever the policy", () => {
    expect(ReservedPaths.none.conflictWith("nats.kv")).toBeDefined();
    expect(ReservedPaths.none.conflictWith("system")).toBeDefined();
    expect(ReservedPaths.none.conflictWith("app.authz")).toBeUndefined();
  });
});
