import { createPrivateKey, type JsonWebKey } from "node:crypto";
import { messageOf } from "../../errors.ts";
import { decodePems } from "./pem.ts";
import { type BuiltinFamily, family } from "./registry.ts";
import { RegoNumber, RegoObject, type Value } from "./value.ts";

/** `crypto.parse_private_keys` and `crypto.x509.parse_rsa_private_key`: RSA, elliptic curves and Ed25519. */
export const privateKeyBuiltins: BuiltinFamily = family({
  "crypto.parse_private_keys": (operands) => {
    const text = operands.string(1);
    if (text === "") return null;
    return keysOf(isBase64(text) ? Buffer.from(text, "base64").toString("utf8") : text).map(asGo);
  },
  "crypto.x509.parse_rsa_private_key": (operands) => {
    const text = operands.string(1);
    if (text === "") throw new Error("input PEM data was empty");
    const isPem = text.startsWith("-----BEGIN");
    if (!isPem && !isBase64(text)) throw new Error("illegal base64 data");
    const [key] = keysOf(isPem ? text : Buffer.from(text, "base64").toString("utf8"));
    return key === undefined ? null : new RegoObject(Object.entries(key as Record<string, string>));
  },
});

const LABELS: ReadonlySet<string> = new Set(["RSA PRIVATE KEY", "PRIVATE KEY", "EC PRIVATE KEY"]);

/** The private keys of a PEM text, as JWKs. */
function keysOf(text: string): JsonWebKey[] {
  return decodePems(text)
    .filter(({ label }) => LABELS.has(label))
    .map((block) => {
      try {
        return createPrivateKey(block.text).export({ format: "jwk" });
      } catch (error) {
        throw new Error(`failed to parse a private key: ${messageOf(error)}`, { cause: error });
      }
    });
}

/** As Go's standard library writes its keys. */
function asGo(key: JsonWebKey): Value {
  if (key.kty === "OKP") {
    const [seed, point] = [key.d, key.x].map((text) => Buffer.from(text ?? "", "base64url"));
    return Buffer.concat([seed!, point!]).toString("base64");
  }
  if (key.kty === "EC") {
    return new RegoObject([
      ["Curve", new RegoObject()],
      ["D", integer(key.d)],
      ["X", integer(key.x)],
      ["Y", integer(key.y)],
    ]);
  }
  return new RegoObject([
    ["D", integer(key.d)],
    ["E", integer(key.e)],
    ["N", integer(key.n)],
    ["Primes", [integer(key.p), integer(key.q)]],
    [
      "Precomputed",
      new RegoObject([
        ["CRTValues", []],
        ["Dp", integer(key.dp)],
        ["Dq", integer(key.dq)],
        ["Qinv", integer(key.qi)],
      ]),
    ],
  ]);
}

function integer(base64url = ""): RegoNumber {
  const hex = Buffer.from(base64url, "base64url").toString("hex");
  return new RegoNumber(hex === "" ? 0 : BigInt(`0x${hex}`));
}

function isBase64(text: string): boolean {
  const plain = text.replaceAll(/[\r\n]/g, "");
  return plain.length % 4 === 0 && /^[A-Za-z\d+/]*={0,2}$/.test(plain);
}
