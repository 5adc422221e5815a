import { OperandError, wrongKind } from "./operands.ts";
import { type GoUrl, parseUrl, queryEscape, queryUnescape, splitHost } from "./go-url.ts";
import { textOfBytes } from "./go-text.ts";
import { type BuiltinFamily, family } from "./registry.ts";
import { compareStrings, RegoObject, RegoSet, type Value } from "./value.ts";

/** `urlquery.*` and `uri.*`. */
export const urlBuiltins: BuiltinFamily = family({
  "urlquery.encode": (operands) => queryEscape(operands.string(1)),
  "urlquery.decode": (operands) => queryUnescape(operands.string(1)),
  "urlquery.encode_object": (operands) => {
    const object = operands.any(1);
    if (!(object instanceof RegoObject)) throw wrongKind(1, object, "object");
    return encodeObject(object);
  },
  "urlquery.decode_object": (operands) => decodeObject(operands.string(1)),
  "uri.is_valid": (operands) => {
    const text = operands.any(1);
    if (typeof text !== "string" || text === "") return false;
    try {
      parseUrl(text);
      return true;
    } catch {
      return false;
    }
  },
  "uri.parse": (operands) => partsOf(parseUrl(operands.string(1))),
});

/** The parts that there are. */
function partsOf(url: GoUrl): RegoObject {
  const [hostname, port] = splitHost(url);
  const parts: [name: string, bytes: string][] = [
    ["scheme", url.scheme],
    ["hostname", hostname],
    ["port", port],
    ["path", url.path],
    ["raw_path", url.path === "" ? "" : url.rawPath || url.path],
    ["raw_query", url.rawQuery],
    ["fragment", url.fragment],
  ];
  return new RegoObject(
    parts.filter(([, bytes]) => bytes !== "").map(([name, bytes]) => [name, textOfBytes(bytes)]),
  );
}

function encodeObject(object: RegoObject): string {
  const pairs: [string, string][] = [];
  for (const [key, value] of object.entries) {
    const values: readonly Value[] = value instanceof RegoSet ? value.values : [value].flat();
    for (const item of values) {
      if (typeof key !== "string" || typeof item !== "string") {
        throw new OperandError("operand 1 values must be string, array[string], or set[string]");
      }
      pairs.push([key, item]);
    }
  }
  return pairs
    .toSorted(([a], [b]) => compareStrings(a, b))
    .map(([key, value]) => `${queryEscape(key)}=${queryEscape(value)}`)
    .join("&");
}

function decodeObject(query: string): Value {
  const fields = new Map<string, string[]>();
  for (const part of query.split("&")) {
    if (part === "") continue;
    if (part.includes(";")) throw new Error("invalid semicolon separator in query");
    const [, key = "", value = ""] = /^([^=]*)=?(.*)$/s.exec(part)!;
    const name = queryUnescape(key);
    const values = fields.get(name) ?? [];
    values.push(queryUnescape(value));
    fields.set(name, values);
  }
  return new RegoObject(fields);
}
