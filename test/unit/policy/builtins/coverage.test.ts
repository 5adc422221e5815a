import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import type { BucketDemand } from "../../../../src/policy/bucket-demand.ts";
import { standardBuiltins } from "../../../../src/policy/builtins/standard.ts";
import { UNSUPPORTED_BUILTINS } from "../../../../src/policy/builtins/unsupported.ts";
import { readBundle } from "../../../../src/policy/bundle.ts";
import { PolicyEngine } from "../../../../src/policy/engine.ts";
import { NATIVE_BUILTINS } from "../../../../src/policy/native-builtin-names.ts";
import { PolicyStore } from "../../../../src/store/policy-store.ts";

const capabilities = JSON.parse(readFileSync("capabilities.json", "utf8")) as {
  builtins: { name: string }[];
};

describe("OPA's builtins", () => {
  const native = new Set(NATIVE_BUILTINS.values());
  const here = new Set(standardBuiltins().map(([name]) => name));
  // Two names of one function each.
  const aliases = new Set(["re_match", "net.cidr_overlap"]);

  it("all work, or are listed with the reason why they can't", () => {
    const unknown = capabilities.builtins
      .map(({ name }) => name)
      .filter((name) => !name.startsWith("nats.kv."))
      .filter((name) => !native.has(name) && !aliases.has(name))
      .filter((name) => !here.has(name) && !UNSUPPORTED_BUILTINS.has(name));
    expect(unknown).toEqual([]);
  });

  it("are not listed as missing when they work, nor when OPA has no such builtin", () => {
    const known = new Set(capabilities.builtins.map(({ name }) => name));
    const wrong = [...UNSUPPORTED_BUILTINS.keys()].filter(
      (name) => here.has(name) || !known.has(name),
    );
    expect(wrong).toEqual([]);
  });

  it("that are implemented here are OPA's, each once", () => {
    const known = new Set(capabilities.builtins.map(({ name }) => name));
    expect([...here].filter((name) => !known.has(name))).toEqual([]);
    expect(standardBuiltins().length).toBe(here.size);
  });
});

describe("builtins in a policy", () => {
  const demand = { isWatched: () => false } as unknown as BucketDemand;
  const engine = new PolicyEngine({ store: new PolicyStore(), demand, queryTimeoutMs: 1_000 });
  const decide = (rule: string, input: string, strict = false): Promise<string | undefined> =>
    engine.decide(`builtins/${rule}`, input, { strictBuiltinErrors: strict });

  beforeAll(async () => engine.activate(await readBundle("test/policies/builtins/bundle.tar.gz")));

  it("P3 of the module's own that fail are undefined, or the decision's error when strict", async () => {
    expect(await decide("number", '{"text":"7"}', true)).toBe("7");
    expect(await decide("number", '{"text":"seven"}')).toBeUndefined();
    await expect(decide("number", '{"text":"seven"}', true)).rejects.toThrow(/^to_number: /);
    // The failure of one decision is not the next one's.
    expect(await decide("number", '{"text":"8"}', true)).toBe("8");
    await decide("number", '{"text":"seven"}');
    expect(await decide("number", '{"text":"9"}', true)).toBe("9");
  });

  it("get sets as sets, and give them back", async () => {
    expect(await decide("distinct", "{}", true)).toBe("2");
  });

  it("get numbers to the digit", async () => {
    expect(await decide("digits", '{"big":123456789012345678901234}')).toBe(
      '"123456789012345678901234"',
    );
  });
});
