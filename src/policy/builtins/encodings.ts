import { goQuote } from "./go-quote.ts";
import { type Operands, OperandError } from "./operands.ts";
import { type BuiltinFamily, family } from "./registry.ts";
import { jsonText } from "./value-text.ts";
import { goJson, indentedJson } from "./go-json.ts";

/** `hex.*`, `base64url.encode_no_pad` and `json.marshal_with_options`. */
export const encodingBuiltins: BuiltinFamily = family({
  "base64url.encode_no_pad": (operands) => Buffer.from(operands.string(1)).toString("base64url"),
  "hex.encode": (operands) => Buffer.from(operands.string(1)).toString("hex"),
  "hex.decode": (operands) => decodeHex(operands.string(1)),
  "json.marshal_with_options": marshal,
});

function decodeHex(text: string): string {
  const wrong = /[^\da-fA-F]/u.exec(text);
  if (wrong !== null) {
    const character = wrong[0];
    const code = Buffer.from(character)[0]!.toString(16).toUpperCase().padStart(4, "0");
    throw new Error(
      `encoding/hex: invalid byte: U+${code} ${goQuote(character).replaceAll('"', "'")}`,
    );
  }
  if (text.length % 2 === 1) throw new Error("encoding/hex: odd length hex string");
  return Buffer.from(text, "hex").toString("utf8");
}

function marshal(operands: Operands): string {
  const value = operands.any(1);
  let [prefix, indent] = ["", "\t"];
  let pretty: boolean | undefined;
  let implied = false;
  for (const [key, option] of operands.object(2).entries) {
    if (key === "prefix" || key === "indent") {
      if (typeof option !== "string") {
        throw new OperandError(`operand 2 key ${key} failed cast to string`);
      }
      if (key === "prefix") prefix = option;
      else indent = option;
      implied = true;
    } else if (key === "pretty") {
      if (typeof option !== "boolean") {
        throw new OperandError("operand 2 key pretty failed cast to bool");
      }
      pretty = option;
    } else
      throw new OperandError(
        `operand 2 object contained unknown key ${typeof key === "string" ? key : jsonText(key)}`,
      );
  }
  return (pretty ?? implied) ? prefix + indentedJson(value, prefix, indent) : goJson(value);
}
