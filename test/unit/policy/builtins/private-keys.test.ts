import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { privateKeyBuiltins } from "../../../../src/policy/builtins/private-keys.ts";
import { Query } from "../../../../src/policy/query.ts";

const builtins = new Map(privateKeyBuiltins);

function call(name: string, text: string): unknown {
  return JSON.parse(builtins.get(`crypto.${name}`)!([JSON.stringify(text)], new Query(true))!);
}

const PKCS8 = { type: "pkcs8", format: "pem" } as const;
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
const ed = generateKeyPairSync("ed25519").privateKey;
const all = [
  rsa.export({ type: "pkcs1", format: "pem" }),
  ec.export({ type: "sec1", format: "pem" }),
  ed.export(PKCS8),
].join("");

describe("private keys", () => {
  it("are JWKs to crypto.x509.parse_rsa_private_key, of whatever kind and form", () => {
    for (const key of [rsa, ec, ed]) {
      const pem = String(key.export(PKCS8));
      const jwk = key.export({ format: "jwk" });
      expect(call("x509.parse_rsa_private_key", pem)).toEqual(jwk);
      const base64 = Buffer.from(pem).toString("base64");
      expect(call("x509.parse_rsa_private_key", base64)).toEqual(jwk);
    }
    expect(() => call("x509.parse_rsa_private_key", "")).toThrow("empty");
    expect(() => call("x509.parse_rsa_private_key", "invalid")).toThrow("illegal base64");
    const broken = all.replace(/MII..../, "MIIAAAA");
    expect(() => call("x509.parse_rsa_private_key", broken)).toThrow("failed to parse");
  });

  it("are as in Go to crypto.parse_private_keys", () => {
    const keys = call("parse_private_keys", all) as [Record<string, unknown>, object, string];
    expect(Object.keys(keys[0])).toEqual(["D", "E", "N", "Precomputed", "Primes"]);
    expect(keys[0]).toMatchObject({ E: 65_537, Precomputed: { CRTValues: [] } });
    expect(Object.keys(keys[1])).toEqual(["Curve", "D", "X", "Y"]);
    expect(Buffer.from(keys[2], "base64")).toHaveLength(64);
    expect([call("parse_private_keys", ""), call("parse_private_keys", "nope")]).toEqual([
      null,
      [],
    ]);
  });
});
