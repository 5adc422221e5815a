import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { type BuiltinFamily, family, type ValueBuiltin } from "./registry.ts";

/** Digests and message authentication codes, as hexadecimal texts. */
export const hashBuiltins: BuiltinFamily = family({
  "crypto.md5": digest("md5"),
  "crypto.sha1": digest("sha1"),
  "crypto.sha256": digest("sha256"),
  "crypto.hmac.md5": hmac("md5"),
  "crypto.hmac.sha1": hmac("sha1"),
  "crypto.hmac.sha256": hmac("sha256"),
  "crypto.hmac.sha512": hmac("sha512"),
  "crypto.hmac.equal": (operands) => {
    const [a, b] = [Buffer.from(operands.string(1)), Buffer.from(operands.string(2))];
    return a.length === b.length && timingSafeEqual(a, b);
  },
});

function digest(algorithm: string): ValueBuiltin {
  return (operands) => createHash(algorithm).update(operands.string(1)).digest("hex");
}

function hmac(algorithm: string): ValueBuiltin {
  return (operands) =>
    createHmac(algorithm, operands.string(2)).update(operands.string(1)).digest("hex");
}
