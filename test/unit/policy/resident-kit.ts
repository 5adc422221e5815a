import { Slices } from "../../../src/common/slices.ts";
import { type Bundle, readBundle } from "../../../src/policy/bundle.ts";
import { PolicyEngine } from "../../../src/policy/engine.ts";
import type { PolicyStore } from "../../../src/store/policy-store.ts";
import { demandOn } from "./demand.ts";

/** Its policies give back what they see. */
export const mirror: Bundle = await readBundle("test/policies/mirror/bundle.tar.gz");

export async function newEngine(
  store: PolicyStore,
  active: Bundle = mirror,
  // One part a slice: every load spans many turns of the event loop.
  slices: Slices = new Slices(0),
): Promise<PolicyEngine> {
  const engine = new PolicyEngine({
    store,
    demand: demandOn(store),
    queryTimeoutMs: 1_000,
    maxMemoryBytes: 64 * 1024 * 1024,
    slices,
  });
  await engine.activate(active);
  return engine;
}

/** Equal for equal JSON, whatever the order of names; every digit of a number counts. */
export function canonical(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  const strings = text.replace(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g, (token) =>
    token.startsWith('"') ? token : `"#${token}"`,
  );
  return JSON.parse(strings, (_name, value: unknown) =>
    value !== null && typeof value === "object" && !Array.isArray(value)
      ? new Map(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}
