import { JsonContainer } from "../common/json-edit.ts";
import { isObjectText, objectFields } from "../common/json-text.ts";

/** Whether two JSON texts are the same value (RFC 6902, section 4.6); numbers are compared by all their digits. */
export function equalJson(left: string, right: string): boolean {
  const pairs: [string, string][] = [[left, right]];
  for (;;) {
    const pair = pairs.pop();
    if (pair === undefined) return true;
    const [a, b] = pair;
    if (isObjectText(a) || isObjectText(b)) {
      if (!isObjectText(a) || !isObjectText(b)) return false;
      const fields = objectFields(a);
      const others = objectFields(b);
      if (fields.size !== others.size) return false;
      for (const [name, text] of fields) {
        const other = others.get(name);
        if (other === undefined) return false;
        pairs.push([text, other]);
      }
      continue;
    }
    const items = JsonContainer.open(a);
    const others = JsonContainer.open(b);
    if (items === undefined && others === undefined) {
      if (scalar(a) !== scalar(b)) return false;
      continue;
    }
    if (items === undefined || others === undefined) return false;
    for (let index = 0; ; index++) {
      const item = items.get(String(index));
      const other = others.get(String(index));
      if (item === undefined && other === undefined) break;
      if (item === undefined || other === undefined) return false;
      pairs.push([item, other]);
    }
  }
}

/** The same text for the same value. */
function scalar(text: string): string {
  const value: unknown = JSON.parse(text);
  if (typeof value !== "number") return JSON.stringify(value);
  const [, sign, whole, part = "", exponent = "0"] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text.trim())!;
  const digits = (whole! + part).replace(/^0+/, "");
  if (digits === "") return "0";
  const shortened = trimZeros(digits);
  const power = BigInt(exponent) - BigInt(part.length) + BigInt(digits.length - shortened.length);
  return `${sign}${shortened}e${power}`;
}

function trimZeros(digits: string): string {
  let end = digits.length;
  while (digits[end - 1] === "0") end--;
  return digits.slice(0, end);
}
