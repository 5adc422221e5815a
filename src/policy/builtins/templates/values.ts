import { goQuote } from "../go-quote.ts";
import { RegoNumber, RegoObject, RegoSet, type Value } from "../value.ts";

/** One byte of a text, which Go knows as `uint8`. */
export class GoByte {
  readonly code: number;

  constructor(code: number) {
    this.code = code;
  }
}

/**
 * A value as a template knows it: what OPA decodes its variables to, numbers as their text (`json.Number`), and
 * what templates make: `int` (a bigint), `float64` (a number) and bytes. `null` is a nil in an interface, and
 * undefined is no value at all; Go tells them apart.
 */
export type GoValue = undefined | bigint | number | GoByte | Value;

/** What is not in JSON can't be a variable: OPA hands them over as JSON. Throws for it. */
export function checkVariables(value: Value): void {
  if (value instanceof RegoSet) throw new Error("a template's variables can't have sets");
  if (typeof value === "string") return checkText(value);
  if (value instanceof RegoObject) {
    for (const [key, item] of value.entries) {
      if (typeof key !== "string") {
        throw new Error("a template's variables can't have keys that are no strings");
      }
      checkText(key);
      checkVariables(item);
    }
  } else if (Array.isArray(value))
    for (const item of value as readonly Value[]) checkVariables(item);
}

/** OPA quotes texts as Go does, which is no JSON when they have some control characters. */
function checkText(text: string): void {
  if (/^[ -~]*$/.test(text)) return;
  if (/(?<!\\)(?:\\\\)*\\[avxU]/.test(goQuote(text))) {
    throw new Error(`a template's variables can't have the control characters of ${goQuote(text)}`);
  }
}

export function isList(value: GoValue): value is readonly Value[] {
  return Array.isArray(value);
}

/** The text of what Go counts as a string: numbers of JSON are. */
export function textOf(value: GoValue): string | undefined {
  return value instanceof RegoNumber ? value.text : typeof value === "string" ? value : undefined;
}

/** What Go calls its type. */
export function typeOf(value: GoValue): string {
  if (typeof value === "string") return "string";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "bigint") return "int";
  if (typeof value === "number") return "float64";
  if (value instanceof RegoNumber) return "json.Number";
  if (value instanceof GoByte) return "uint8";
  if (value instanceof RegoObject) return "map[string]interface {}";
  return isList(value) ? "[]interface {}" : "interface {}";
}

/** What `if` and its like take for true: what is not the zero of its type. */
export function isTrue(value: GoValue): boolean {
  if (value === undefined || value === null) return false;
  if (value instanceof RegoObject) return value.size > 0;
  if (value instanceof GoByte) return value.code !== 0;
  if (isList(value)) return value.length > 0;
  const text = textOf(value);
  return text === undefined ? Boolean(value) : text !== "";
}
