import { JsonContainer } from "../../common/json-edit.ts";
import { isObjectText, objectFields } from "../../common/json-text.ts";
import { equalJson } from "../../writes/json-equal.ts";

/** Where two documents differ; a side that has nothing there is absent. Values are JSON texts. */
export interface JsonDifference {
  /** A JSON Pointer (RFC 6901). */
  readonly at: string;
  readonly before?: string;
  readonly after?: string;
}

/** How many are told; one more stands for all others. */
const MOST = 20;

/** The places where two JSON texts are different values, the first ones of them; undefined is no document. */
export function jsonDifferences(
  before: string | undefined,
  after: string | undefined,
): JsonDifference[] {
  const found: JsonDifference[] = [];
  const pairs: [at: string, before: string | undefined, after: string | undefined][] = [
    ["", before, after],
  ];
  for (let pair = pairs.pop(); pair !== undefined && found.length < MOST; pair = pairs.pop()) {
    const [at, left, right] = pair;
    if (left !== undefined && right !== undefined) {
      if (equalJson(left, right)) continue;
      const names = sharedNames(left, right);
      if (names !== undefined) {
        const [a, b] = [JsonContainer.open(left)!, JsonContainer.open(right)!];
        for (const name of names) pairs.push([`${at}/${escaped(name)}`, a.get(name), b.get(name)]);
        continue;
      }
    } else if (left === right) continue;
    found.push({
      at,
      ...(left !== undefined && { before: left }),
      ...(right !== undefined && { after: right }),
    });
  }
  return found;
}

/** The names of the members of two objects, or two arrays, to be looked at from the last one on. */
function sharedNames(left: string, right: string): string[] | undefined {
  if (isObjectText(left) && isObjectText(right)) {
    const names = new Set([...objectFields(left).keys(), ...objectFields(right).keys()]);
    return [...names].toReversed();
  }
  const [a, b] = [JsonContainer.open(left), JsonContainer.open(right)];
  if (a?.isArray !== true || b?.isArray !== true) return undefined;
  let length = 0;
  while (a.get(String(length)) !== undefined || b.get(String(length)) !== undefined) length++;
  return Array.from({ length }, (_, index) => String(length - 1 - index));
}

function escaped(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}
