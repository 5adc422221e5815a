import { describe, expect, it, vi } from "vitest";
import { Slices } from "../../../src/common/slices.ts";
import { readBundle } from "../../../src/policy/bundle.ts";
import { PolicyModule } from "../../../src/policy/policy-module.ts";
import { WasmInstance } from "../../../src/policy/wasm-instance.ts";

const { wasm: basic } = await readBundle("test/policies/basic/bundle.tar.gz");
const { wasm: mirror } = await readBundle("test/policies/mirror/bundle.tar.gz");

describe("P5 a policy's module", () => {
  it("is made over in slices, which may end after each of its functions", async () => {
    const slices = new Slices(0);
    const run = vi.spyOn(slices, "run");
    let turns = 0;
    run.mockImplementation(async (work) => {
      for (; !work(0); turns++);
    });
    await PolicyModule.prepare(mirror!, undefined, slices);
    // There are hundreds in the part of it that OPA brings.
    expect(turns).toBeGreaterThan(500);
  });

  it("is taken over from the one before when its bytes are the same, and only then", async () => {
    const first = await PolicyModule.prepare(basic!);
    expect(await PolicyModule.prepare(Buffer.from(basic!), first)).toBe(first);
    expect(await PolicyModule.prepare(mirror!, first)).not.toBe(first);
    const changed = Buffer.from(basic!);
    changed[changed.length - 1]! ^= 1;
    const other = await PolicyModule.prepare(changed, first).catch(() => undefined);
    expect(other).not.toBe(first);
  });

  it("is one for instances that know nothing of each other", async () => {
    const module = await PolicyModule.prepare(basic!);
    const [one, other] = [
      await WasmInstance.create(module, 2 ** 24),
      await WasmInstance.create(module, 2 ** 24),
    ];
    one.setData('{"groups":{"a":1}}');
    other.setData('{"groups":{"b":2}}');
    const ask = (instance: WasmInstance): string =>
      instance.evaluate(
        instance.entrypoints.get("basic/root")!,
        undefined,
        { spentMs: 0 },
        () => undefined,
      );
    expect([ask(one), ask(other)]).toEqual(['[{"result":{"a":1}}]', '[{"result":{"b":2}}]']);
  });

  it.each([
    ["no module", Buffer.from("no module")],
    ["another's module", Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0])],
  ])("BUNDLE_INVALID: %s", async (_, bytes) => {
    await expect(PolicyModule.prepare(bytes)).rejects.toMatchObject({ code: "BUNDLE_INVALID" });
  });
});
