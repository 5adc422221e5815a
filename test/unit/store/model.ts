import type { KeyChange } from "../../../src/store/bucket-document.ts";
import { decodeValue } from "../../../src/store/value.ts";
import { type Exact, exactJson } from "../../support/exact-json.ts";

/** What a bucket holds: key → bytes, or a reason why the value must not be shown. */
export type Contents = ReadonlyMap<string, Uint8Array | { readonly refused: string }>;

/** The only values with halves of surrogate pairs that the generators make. */
const HALVES = new Map([
  ['"\\ud800"', '"\\ufffd"'],
  ['{"a":{"b":"\\udc00"}}', '{"a":{"b":"\\ufffd"}}'],
]);

/** The text that policies should see for these bytes, found in another way than the store's. */
export function textOf(bytes: Uint8Array): { text: string; binary: boolean } {
  let content: string;
  try {
    content = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return { text: JSON.stringify(btoa(String.fromCharCode(...bytes))), binary: true };
  }
  try {
    JSON.parse(content);
  } catch {
    return { text: JSON.stringify(content), binary: false };
  }
  return { text: HALVES.get(content) ?? content.trim(), binary: false };
}

/** The bucket's document: shorter keys first, each value put where its key says, whatever stands in the way. */
export function documentOf(contents: Contents): Map<string, Exact> {
  const root = new Map<string, Exact>();
  const depth = (key: string): number => key.split(".").length;
  for (const [key, value] of [...contents].toSorted(([a], [b]) => depth(a) - depth(b))) {
    if ("refused" in value) continue;
    const names = key.split(".");
    let object = root;
    for (const name of names.slice(0, -1)) {
      const below = object.get(name);
      if (below instanceof Map) object = below;
      else {
        const made = new Map<string, Exact>();
        object.set(name, made);
        object = made;
      }
    }
    object.set(names.at(-1)!, exactJson(textOf(value).text));
  }
  return root;
}

/** The keys whose value is no object and has deeper keys beside it. */
export function hiddenOf(contents: Contents): string[] {
  const shown = [...contents].filter(([, value]) => !("refused" in value));
  return shown
    .filter(([key, value]) => {
      const isObject = exactJson(textOf(value as Uint8Array).text) instanceof Map;
      return !isObject && shown.some(([other]) => other.startsWith(`${key}.`));
    })
    .map(([key]) => key)
    .toSorted();
}

/** What stands at a path of a document. */
export function valueAt(document: Exact, path: readonly string[]): Exact | undefined {
  let current: Exact | undefined = document;
  for (const name of path) {
    if (current instanceof Map) current = current.get(name);
    else if (Array.isArray(current) && /^(0|[1-9][0-9]*)$/.test(name))
      current = current[Number(name)];
    else return undefined;
  }
  return current;
}

/** What happens to a key of a bucket. */
export interface Step {
  readonly key: string;
  /** Bytes, a refusal, or a removal. */
  readonly value: Uint8Array | { readonly refused: string } | undefined;
}

/** The same as a watcher hands it to the store. */
export function changeOf({ key, value }: Step, revision: number): KeyChange {
  if (value === undefined) return { key, revision };
  if ("refused" in value) return { key, revision, refused: value.refused };
  const decoded = decodeValue(value, key.split(".").length);
  return "refused" in decoded
    ? { key, revision, refused: decoded.refused }
    : { key, revision, value: decoded };
}
