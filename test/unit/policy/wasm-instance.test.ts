import { describe, expect, it, vi } from "vitest";
import { readBundle } from "../../../src/policy/bundle.ts";
import { PolicyModule } from "../../../src/policy/policy-module.ts";
import { WasmInstance } from "../../../src/policy/wasm-instance.ts";

/** Evaluates an entrypoint twice; the answers, and the texts that the module has written for them. */
async function evaluated(file: string, entrypoint: string, input: unknown) {
  const { wasm } = await readBundle(file);
  const instance = await WasmInstance.create(await PolicyModule.prepare(wasm!), 16 * 1024 * 1024);
  instance.setData("{}");
  const read = vi.spyOn(instance.memory, "read");
  const id = instance.entrypoints.get(entrypoint)!;
  const decide = (): string =>
    instance.evaluate(id, JSON.stringify(input), { spentMs: 0 }, () => undefined);
  const answers = [decide(), decide()];
  return { answers, written: read.mock.results.map(({ value }) => value as string) };
}

describe("the answer of an evaluation", () => {
  it("without a set in it is what the module has written, once", async () => {
    const input = { a: [1, { b: "{}" }] };
    const { answers, written } = await evaluated(
      "test/policies/basic/bundle.tar.gz",
      "basic/echo",
      input,
    );
    expect(answers.map((text) => JSON.parse(text) as unknown)).toEqual([
      [{ result: input }],
      [{ result: input }],
    ]);
    expect(written).toEqual(answers);
  });

  it("with sets in it has them sorted, and is read as OPA's own text from the second time on", async () => {
    const input = { input: { hide_result: true, card: "1", hide_numbers: true } };
    const { answers, written } = await evaluated(
      "test/policies/decision-log/bundle.tar.gz",
      "system/log/mask",
      input,
    );
    const sorted =
      '[{"result":["/input/password","/nd_builtin_cache/rand.intn","/result",{"op":"upsert","path":"/input/card","value":"hidden"}]}]';
    expect(answers.map((text) => text.replaceAll(/(?<=[,:]) /g, ""))).toEqual([sorted, sorted]);
    expect(written.map((text) => text.slice(0, 2))).toEqual(["[{", "{{", "{{"]);
  });

  it("with sets only among the arguments of builtins is no reason to evaluate again", async () => {
    const { wasm } = await readBundle("test/policies/print/bundle.tar.gz");
    const instance = await WasmInstance.create(await PolicyModule.prepare(wasm!), 16 * 1024 * 1024);
    instance.setData("{}");
    const calls: string[] = [];
    const id = instance.entrypoints.get("printing/few")!;
    const answer = instance.evaluate(id, undefined, { spentMs: 0 }, (name, args) => {
      calls.push(name);
      return name === "internal.print" ? "true" : args[0];
    });
    expect(answer).toBe('[{"result":true}]');
    expect(calls).toEqual(["internal.print"]);
  });
});
