import { bundlesOf } from "../../../src/bundles/bundles-of.ts";
import type { BundleManager } from "../../../src/bundles/manager.ts";
import { parseConfig } from "../../../src/config/load.ts";
import type { BridgeOptions } from "../../../src/config/options.ts";
import { PolicyEngine } from "../../../src/policy/engine.ts";
import { PolicyStore } from "../../../src/store/policy-store.ts";
import { demandOn } from "../../unit/policy/demand.ts";

export const TEAMS = "test/policies/roots/teams/bundle.tar.gz";
export const DOCS = "test/policies/roots/docs/bundle.tar.gz";

/** The bundles of a configuration, followed by an engine without buckets; `await using` stops them. */
export interface Followed extends AsyncDisposable {
  readonly manager: BundleManager;
  readonly engine: PolicyEngine;
  readonly started: ReturnType<BundleManager["start"]>;
  /** What was logged, level by level. */
  readonly logged: readonly string[];
  revision(name: string): string | undefined;
  allows(user: string): Promise<boolean>;
}

export function follow(options: BridgeOptions): Followed {
  const store = new PolicyStore();
  const engine = new PolicyEngine({
    store,
    demand: demandOn(store),
    queryTimeoutMs: 1_000,
    maxMemoryBytes: 64 * 2 ** 20,
  });
  const logged: string[] = [];
  const log =
    (level: string) =>
    (details: object, message: string): void =>
      void logged.push(`${level} ${JSON.stringify(details)} ${message}`);
  const manager = bundlesOf(parseConfig(options), {
    // None of these tests keeps a bundle in an object store.
    objects: undefined as never,
    activate: (bundle, name) => engine.activate(bundle, name),
    logger: { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") },
  });
  return {
    manager,
    engine,
    started: manager.start(),
    logged,
    revision: (name) => engine.policy?.revisions.get(name),
    allows: async (user) =>
      (await engine.decide("teams/authz/allow", JSON.stringify({ user }))) === "true",
    async [Symbol.asyncDispose]() {
      await manager.stop();
      engine.close();
    },
  };
}
