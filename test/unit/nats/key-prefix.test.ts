import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KeyPrefix } from "../../../src/nats/key-prefix.ts";

function inBytes(prefix: KeyPrefix, subject: string): string | undefined {
  const bytes = Buffer.from(`MSG ${subject} 1 5\r\n`);
  return prefix.keyIn(bytes, 4, 4 + Buffer.byteLength(subject));
}

describe("the key in a subject", () => {
  it("is what stands behind the bucket's name", () => {
    const prefix = new KeyPrefix("team");
    for (const keyOf of [prefix.keyOf.bind(prefix), inBytes.bind(undefined, prefix)]) {
      expect(keyOf("$KV.team.members.alice")).toBe("members.alice");
      expect(keyOf("$KV.team.é")).toBe("é");
      expect(keyOf("$KV.other.alice")).toBeUndefined();
      expect(keyOf("$KV.teams.alice")).toBeUndefined();
      expect(keyOf("$KV.team")).toBeUndefined();
    }
  });

  it("is found in bytes that go on with something else, and does not reach into it", () => {
    const bytes = Buffer.from("$KV.team.alice");
    expect(new KeyPrefix("team").keyIn(bytes, 0, "$KV.tea".length)).toBeUndefined();
  });

  it("stands behind whatever the first subject has, where the bucket is a mirror", () => {
    for (const keyOf of ["keyOf", "keyIn"] as const) {
      const prefix = new KeyPrefix(undefined);
      const of = (subject: string): string | undefined =>
        keyOf === "keyOf" ? prefix.keyOf(subject) : inBytes(prefix, subject);
      expect(of("$KV.origin.a.b")).toBe("a.b");
      expect(of("$KV.origin.c")).toBe("c");
      expect(of("$KV.another.c")).toBeUndefined();
    }
  });

  it("is the same in bytes and in text", () => {
    const name = fc.string({ unit: fc.constantFrom("a", "b", ".", "é", "$", "_") });
    fc.assert(
      fc.property(name, fc.constantFrom("a", "ab", undefined), (rest, bucket) => {
        const subject = `$KV.${rest}`;
        const [one, other] = [new KeyPrefix(bucket), new KeyPrefix(bucket)];
        expect(inBytes(one, subject)).toBe(other.keyOf(subject));
      }),
    );
  });
});
