import { beforeAll, describe, expect, it } from "vitest";
import { type Bundle, readBundle } from "../../../src/policy/bundle.ts";
import { PolicyEngine } from "../../../src/policy/engine.ts";
import { PolicyModule } from "../../../src/policy/policy-module.ts";
import { WasmInstance } from "../../../src/policy/wasm-instance.ts";
import type { KeyChange } from "../../../src/store/bucket-document.ts";
import { PolicyStore } from "../../../src/store/policy-store.ts";
import { demandOn } from "./demand.ts";

let bundle: Bundle;
beforeAll(async () => {
  bundle = await readBundle("test/policies/older/bundle.tar.gz");
});

const admin = (key: string, revision: number, role: string): KeyChange => ({
  key,
  revision,
  value: { text: JSON.stringify({ role }), kind: "json" },
});

describe("P4 a module of before ABI 1.3, as OPA 0.52 compiles it", () => {
  it("has not what patching needs", async () => {
    const instance = await WasmInstance.create(
      await PolicyModule.prepare(bundle.wasm!),
      16 * 1024 * 1024,
    );
    expect(instance.minorVersion).toBeLessThan(3);
  });

  it("decides by the store's data as it changes, and is warned of once, with the version to build with", async () => {
    const warnings: string[] = [];
    const note = (_: object, message: string): void => void warnings.push(message);
    const store = new PolicyStore({});
    const engine = new PolicyEngine({
      store,
      demand: demandOn(store),
      queryTimeoutMs: 1_000,
      logger: { debug: () => undefined, info: () => undefined, warn: note, error: note },
    });
    await engine.activate(bundle);
    expect(engine.policy!.residentFigures.mode).toBe("replaced");

    const decide = (user: string): Promise<string | undefined> =>
      engine.decide("older/allow", JSON.stringify({ bucket: "b", user }));
    expect(await decide("alice")).toBe("false");
    const owner = {};
    const document = store.createDocument("b");
    document.apply(admin("members.alice", 1, "admin"));
    await store.transact((tx) => tx.mount("b", owner, document));
    expect(await decide("alice")).toBe("true");
    await store.transact((tx) =>
      tx.change("b", owner, [admin("members.alice", 2, "guest"), admin("members.bob", 3, "admin")]),
    );
    expect(await decide("alice")).toBe("false");
    expect(await decide("bob")).toBe("true");
    await store.transact((tx) => tx.unmount("b", owner));
    expect(await decide("bob")).toBe("false");

    expect(warnings).toEqual([expect.stringMatching(/build it with OPA 0\.53 or later/)]);
  });

  it("keeps every digit of what NATS delivered", async () => {
    const store = new PolicyStore({});
    const engine = new PolicyEngine({ store, demand: demandOn(store), queryTimeoutMs: 1_000 });
    await engine.activate(bundle);
    const document = store.createDocument("b");
    const text = '{"id":9007199254740993}';
    document.apply({ key: "k", revision: 1, value: { text, kind: "json" } });
    await store.transact((tx) => tx.mount("b", {}, document));
    expect(await engine.decide("older/bucket", '{"bucket":"b"}')).toBe(`{"k":${text}}`);
  });
});
