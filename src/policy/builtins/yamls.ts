import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  parseAllDocuments,
  type Scalar,
  stringify,
} from "yaml";
import { type BuiltinFamily, family } from "./registry.ts";
import { RegoNumber, RegoObject, RegoSet, type Value } from "./value.ts";
import { jsonText } from "./value-text.ts";

/** How often aliases may be followed in one text: a few lines could stand for gigabytes. */
const MAX_ALIASES = 10_000;
const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** `yaml.*`. */
export const yamlBuiltins: BuiltinFamily = family({
  "yaml.marshal": (operands) => marshal(operands.any(1)),
  "yaml.unmarshal": (operands) => parseYaml(operands.string(1)),
  "yaml.is_valid": (operands) => {
    const text = operands.any(1);
    if (typeof text !== "string") return false;
    try {
      parseYaml(text);
      return true;
    } catch {
      return false;
    }
  },
});

function marshal(value: Value): string {
  // Go indents no lists, and folds no lines.
  return stringify(plain(value), { lineWidth: 0, indentSeq: false });
}

/** In the library's own terms: numbers beyond what JavaScript counts are big integers. */
function plain(value: Value): unknown {
  if (value instanceof RegoNumber) return value.integer ?? value.float;
  if (value instanceof RegoSet) return value.values.map(plain);
  if (value instanceof RegoObject) {
    const name = (key: Value): string => (typeof key === "string" ? key : jsonText(key));
    return new Map(value.entries.map(([key, item]) => [name(key), plain(item)]));
  }
  return Array.isArray(value) ? value.map(plain) : value;
}

/** The first document of a text. */
export function parseYaml(text: string): Value {
  const documents = parseAllDocuments(text, { intAsBigInt: true, merge: true, logLevel: "error" });
  if (!Array.isArray(documents)) return null;
  const [document] = documents as Document[];
  if (document === undefined) return null;
  // Only the first document counts, but all of them have to be well-formed.
  const [error] = documents.flatMap(({ errors }) => errors);
  if (error !== undefined) {
    const line = error.linePos?.[0].line ?? 1;
    throw new Error(
      `yaml: line ${line}: did not find expected content (${error.message.split("\n", 1)[0]})`,
    );
  }
  return new Converter(document).value(document.contents);
}

class Converter {
  readonly #document: Document;
  #aliases = 0;

  constructor(document: Document) {
    this.#document = document;
  }

  value(node: Node | null): Value {
    if (node === null) return null;
    if (isAlias(node)) {
      if (++this.#aliases > MAX_ALIASES)
        throw new Error("yaml: document contains excessive aliasing");
      return this.value(node.resolve(this.#document) ?? null);
    }
    if (isSeq(node)) return node.items.map((item) => this.value(item as Node | null));
    if (isMap(node)) return new RegoObject(this.#entries(node.items as unknown as Pairs));
    return isScalar(node) ? scalar(node) : null;
  }

  #entries(items: Pairs): [string, Value][] {
    const merged: [string, Value][] = [];
    const own: [string, Value][] = [];
    for (const { key, value } of items) {
      if (isScalar(key) && key.source === "<<" && key.type === "PLAIN") {
        const sources = this.value(value);
        for (const source of (Array.isArray(sources) ? sources : [sources]) as Value[]) {
          if (source instanceof RegoObject)
            merged.unshift(...(source.entries as [string, Value][]));
        }
        continue;
      }
      const name = this.value(key);
      own.push([typeof name === "string" ? name : jsonText(name), this.value(value)]);
    }
    return [...merged, ...own];
  }
}

type Pairs = readonly { readonly key: Node; readonly value: Node | null }[];

function scalar(node: Scalar): Value {
  const { value, source = "" } = node;
  if (typeof value === "bigint") return new RegoNumber(value);
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new Error(`yaml: unsupported value: ${source}`);
    return new RegoNumber(JSON_NUMBER.test(source) ? source : value);
  }
  return typeof value === "boolean" || typeof value === "string" ? value : null;
}
