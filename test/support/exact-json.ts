/**
 * A JSON value to the digit, in a form that can be compared: numbers stay as they are written, and objects are
 * maps, in which `__proto__` is a name like any other.
 */
export type Exact = { readonly scalar: string } | Exact[] | Map<string, Exact>;

const TOKEN = /[ \t\r\n]*("(?:[^"\\]|\\.)*"|[{}[\],:]|[^ \t\r\n{}[\],:"]+)[ \t\r\n]*/y;

/** The plainest reader there is, for tests to compare with. Expects text that `JSON.parse` accepts. */
export function exactJson(text: string): Exact {
  let index = 0;
  const token = (): string => {
    TOKEN.lastIndex = index;
    const match = TOKEN.exec(text);
    if (match === null) throw new SyntaxError(`Not JSON at ${index}: ${text}`);
    index = TOKEN.lastIndex;
    return match[1]!;
  };
  const value = (first: string): Exact => {
    if (first === "[") {
      const items: Exact[] = [];
      for (let next = token(); next !== "]"; next = token()) {
        if (next !== ",") items.push(value(next));
      }
      return items;
    }
    if (first === "{") {
      const fields = new Map<string, Exact>();
      for (let next = token(); next !== "}"; next = token()) {
        if (next === ",") continue;
        token();
        fields.set(JSON.parse(next) as string, value(token()));
      }
      return fields;
    }
    return { scalar: first.startsWith('"') ? JSON.stringify(JSON.parse(first)) : first };
  };
  return value(token());
}

/** One text for all that are equal: names in order, no white space, strings escaped in one way. */
export function canonicalText(value: Exact): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalText(item)).join(",")}]`;
  if (!(value instanceof Map)) return value.scalar;
  const fields = [...value].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, item]) => `${JSON.stringify(name)}:${canonicalText(item)}`).join(",")}}`;
}

/** {@link canonicalText} of a JSON text, or undefined of none. */
export function canonical(text: string | undefined): string | undefined {
  return text === undefined ? undefined : canonicalText(exactJson(text));
}
