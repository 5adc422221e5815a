import { jsonText } from "./value-text.ts";
import { RegoObject, RegoSet, type Value } from "./value.ts";

const ESCAPES: Readonly<Record<string, string>> = {
  "<": "\\u003c",
  ">": "\\u003e",
  "&": "\\u0026",
  "\u2028": "\\u2028",
  "\u2029": "\\u2029",
};

/** As Go's `json.Marshal` writes it: names in order, and what could be markup escaped. */
export function goJson(value: Value): string {
  return escaped(jsonText(value));
}

/** `json.MarshalIndent`. */
export function indentedJson(value: Value, prefix: string, indent: string): string {
  const write = (item: Value, depth: number): string => {
    const inner = `\n${prefix}${indent.repeat(depth + 1)}`;
    const outer = `\n${prefix}${indent.repeat(depth)}`;
    if (item instanceof RegoSet) return write(item.values, depth);
    if (item instanceof RegoObject) {
      if (item.size === 0) return "{}";
      const fields = item.entries.map(([key, field]) => {
        const name = typeof key === "string" ? key : jsonText(key);
        return `${inner}${escaped(JSON.stringify(name))}: ${write(field, depth + 1)}`;
      });
      return `{${fields.join(",")}${outer}}`;
    }
    if (Array.isArray(item)) {
      if (item.length === 0) return "[]";
      return `[${item.map((element: Value) => inner + write(element, depth + 1)).join(",")}${outer}]`;
    }
    return escaped(jsonText(item));
  };
  return write(value, 0);
}

function escaped(text: string): string {
  return text.replaceAll(/[<>&\u2028\u2029]/g, (character) => ESCAPES[character]!);
}
