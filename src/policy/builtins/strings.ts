import { elementsOf, type Operands, wrongElement, wrongKind } from "./operands.ts";
import { goFormat } from "./go-format.ts";
import { type BuiltinFamily, family } from "./registry.ts";
import { renderTemplate } from "./templates/render.ts";
import { RegoNumber, type Value } from "./value.ts";

/** `sprintf`, and the `strings.*` that a policy module does not bring itself. */
export const stringBuiltins: BuiltinFamily = family({
  sprintf: (operands) => goFormat(operands.string(1), operands.array(2)),
  indexof_n: indexOfN,
  "strings.any_prefix_match": (operands) =>
    anyMatch(operands, (text, affix) => text.startsWith(affix)),
  "strings.any_suffix_match": (operands) =>
    anyMatch(operands, (text, affix) => text.endsWith(affix)),
  "strings.count": (operands) => {
    const text = operands.string(1);
    const part = operands.string(2);
    // Go finds an empty text before each character and at the end.
    const count = part === "" ? Array.from(text).length + 1 : text.split(part).length - 1;
    return new RegoNumber(count);
  },
  "strings.render_template": (operands) => renderTemplate(operands.string(1), operands.object(2)),
  "strings.split_n": splitN,
});

function indexOfN(operands: Operands): Value {
  const text = Array.from(operands.string(1));
  const part = Array.from(operands.string(2));
  if (part.length === 0) throw new Error("empty search character");
  const found: RegoNumber[] = [];
  for (let index = 0; index + part.length <= text.length; index++) {
    if (part.every((character, at) => text[index + at] === character)) {
      found.push(new RegoNumber(index));
    }
  }
  return found;
}

/** Up to `n` parts from the start, or `-n` from the end. */
function splitN(operands: Operands): Value {
  const text = operands.string(1);
  const delimiter = operands.string(2);
  const count = operands.int(3);
  const parts = delimiter === "" ? Array.from(text) : text.split(delimiter);
  return count >= 0 ? parts.slice(0, count) : parts.slice(count);
}

function anyMatch(operands: Operands, matches: (text: string, affix: string) => boolean): boolean {
  const texts = stringsOf(1, operands.any(1));
  const affixes = stringsOf(2, operands.any(2));
  return texts.some((text) => affixes.some((affix) => matches(text, affix)));
}

/** A string, or the strings of an array or a set. */
function stringsOf(position: number, value: Value): readonly string[] {
  if (typeof value === "string") return [value];
  if (value === null || typeof value === "boolean" || value instanceof RegoNumber) {
    throw wrongKind(position, value, "string", "set", "array");
  }
  return elementsOf(position, value).map((item) => {
    if (typeof item === "string") return item;
    throw wrongElement(position, value, item, "string");
  });
}
