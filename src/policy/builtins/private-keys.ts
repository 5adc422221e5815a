import { messageOf } from "../../errors.ts";
import { decodeBase64, isBase64 } from "./go-text.ts";
import { decodePems } from "./pem.ts";
import { type BuiltinFamily, family } from "./registry.ts";
import { RegoObject } from "./value.ts";
import { type KeyForm, type PrivateKey, readPrivateKey } from "./x509/private-keys.ts";

/** `crypto.parse_private_keys` and `crypto.x509.parse_rsa_private_key`: RSA, elliptic curves and Ed25519. */
export const privateKeyBuiltins: BuiltinFamily = family({
  "crypto.parse_private_keys": (operands) => {
    const text = operands.string(1);
    if (text === "") return null;
    return keysOf(text).map(({ value }) => value);
  },
  "crypto.x509.parse_rsa_private_key": (operands) => {
    const text = operands.string(1);
    if (text === "") throw new Error("input PEM data was empty");
    const [key] = keysOf(
      text.startsWith("-----BEGIN") ? text : decodeBase64(text).toString("utf8"),
    );
    if (key === undefined) return null;
    return new RegoObject(Object.entries(key.jwk()));
  },
});

const FORMS: ReadonlyMap<string, KeyForm> = new Map([
  ["RSA PRIVATE KEY", "pkcs1"],
  ["PRIVATE KEY", "pkcs8"],
  ["EC PRIVATE KEY", "sec1"],
]);

/** The private keys of a PEM text, which may be in base64. */
function keysOf(text: string): PrivateKey[] {
  const pem = isBase64(text) ? Buffer.from(text, "base64").toString("utf8") : text;
  return decodePems(pem).flatMap(({ label, bytes }) => {
    const form = FORMS.get(label);
    if (form === undefined) return [];
    try {
      return [readPrivateKey(bytes, form)];
    } catch (error) {
      throw new Error(`failed to parse a private key: ${messageOf(error)}`, { cause: error });
    }
  });
}
