import {
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from "node:crypto";
import { describe, expect, it } from "vitest";
import type { Builtin } from "../../../../src/policy/builtins/registry.ts";
import { standardBuiltins } from "../../../../src/policy/builtins/standard.ts";
import { Query } from "../../../../src/policy/query.ts";

const builtins: ReadonlyMap<string, Builtin> = new Map(standardBuiltins());
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });

function call(name: string, ...args: unknown[]): unknown {
  const texts = args.map((argument) => JSON.stringify(argument));
  return JSON.parse(builtins.get(name)!(texts, new Query(false)) ?? "null");
}

function unsigned(header: object, claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part(header)}.${part(claims)}`;
}

function token(claims: object, header: object, key: KeyObject): string {
  const text = unsigned(header, claims);
  const signature = sign("sha256", Buffer.from(text), { key, dsaEncoding: "ieee-p1363" });
  return `${text}.${signature.toString("base64url")}`;
}

function pem(key: KeyObject): string {
  return createPublicKey(key).export({ type: "spki", format: "pem" }) as string;
}

const REFUSED = [false, {}, {}];

describe("io.jwt", () => {
  it("verifies RS256 and ES256, with PEM and with a key set", () => {
    for (const [alg, pair] of [
      ["RS256", rsa],
      ["ES256", ec],
    ] as const) {
      const text = token({ sub: "alice" }, { alg }, pair.privateKey);
      const jwks = JSON.stringify({
        keys: [{ ...pair.publicKey.export({ format: "jwk" }), kid: "one", alg }],
      });
      for (const cert of [pem(pair.privateKey), jwks]) {
        expect(call("io.jwt.decode_verify", text, { cert })).toEqual([
          true,
          { alg },
          { sub: "alice" },
        ]);
        expect(call(`io.jwt.verify_${alg.toLowerCase()}`, text, cert)).toBe(true);
      }
    }
  });

  it("refuses a token that names a secret's algorithm and is signed with the public key's text", () => {
    const cert = pem(rsa.privateKey);
    const text = unsigned({ alg: "HS256" }, { sub: "mallory" });
    const forged = `${text}.${createHmac("sha256", cert).update(text).digest("base64url")}`;
    expect(call("io.jwt.decode_verify", forged, { cert })).toEqual(REFUSED);
  });

  it("refuses a token without a signature, with one of another key, and of another algorithm", () => {
    const cert = pem(rsa.privateKey);
    const good = token({}, { alg: "RS256" }, rsa.privateKey);
    expect(call("io.jwt.decode_verify", `${unsigned({ alg: "none" }, {})}.`, { cert })).toEqual(
      REFUSED,
    );
    expect(call("io.jwt.decode_verify", good, { cert: pem(ec.privateKey) })).toEqual(REFUSED);
    expect(call("io.jwt.decode_verify", good, { cert, alg: "PS256" })).toEqual(REFUSED);
    const [header, , signature] = good.split(".");
    const changed = `${header}.${Buffer.from('{"a":1}').toString("base64url")}.${signature}`;
    expect(call("io.jwt.decode_verify", changed, { cert })).toEqual(REFUSED);
  });

  it("refuses what is critical and unknown, and what lacks the issuer or the audience", () => {
    const cert = pem(ec.privateKey);
    const verify = (claims: object, constraints: object, header: object = {}): unknown =>
      call("io.jwt.decode_verify", token(claims, { alg: "ES256", ...header }, ec.privateKey), {
        cert,
        ...constraints,
      });
    expect(verify({}, {}, { crit: ["exp2"], exp2: 1 })).toEqual(REFUSED);
    expect(verify({}, { iss: "me" })).toEqual(REFUSED);
    expect(verify({ aud: ["a", "b"] }, {})).toEqual(REFUSED);
    expect(verify({ aud: ["a", "b"] }, { aud: "b" })).toMatchObject([true, {}, {}]);
  });

  it("ends a token at its very second, by the time that is given or the query's own", () => {
    const cert = pem(ec.privateKey);
    const text = token({ exp: 1_000, nbf: 500 }, { alg: "ES256" }, ec.privateKey);
    const at = (seconds: number): unknown =>
      (call("io.jwt.decode_verify", text, { cert, time: seconds * 1e9 }) as unknown[])[0];
    expect([499, 500, 999, 1_000].map(at)).toEqual([false, true, true, false]);
    expect(call("io.jwt.decode_verify", text, { cert })).toEqual(REFUSED);
  });

  it("keeps the digits of claims", () => {
    const secret = "s";
    const claims = '{"id":12345678901234567890123}';
    const text = `${Buffer.from('{"alg":"HS256"}').toString("base64url")}.${Buffer.from(claims).toString("base64url")}`;
    const signed = `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
    const args = [JSON.stringify(signed), JSON.stringify({ secret })];
    expect(builtins.get("io.jwt.decode_verify")!(args, new Query(false))).toContain(claims);
  });
});
