import { isAlias, isMap, isScalar, isSeq, parseDocument, Scalar } from "yaml";
import { MAX_JSON_DEPTH } from "../../common/json-text.ts";
import { BridgeError, messageOf } from "../../errors.ts";

/** The largest YAML body. Some take a millisecond for every hundred characters, and nobody is answered meanwhile. */
export const MAX_YAML_LENGTH: number = 32 * 1024;

/** The JSON text of a YAML document (1.2, core schema). Integers keep their digits. Throws `INPUT_INVALID`. */
export function jsonOfYaml(text: string): string {
  let document: ReturnType<typeof parseDocument>;
  try {
    // Looking for equal keys would take time in proportion to the square of their number.
    document = parseDocument(text, { prettyErrors: false, uniqueKeys: false, logLevel: "error" });
  } catch (error) {
    throw invalid(messageOf(error));
  }
  const [problem] = document.errors;
  if (problem !== undefined) throw invalid(problem.message);
  return document.contents === null ? "null" : jsonOf(document.contents, 0);
}

function jsonOf(node: unknown, depth: number): string {
  if (depth > MAX_JSON_DEPTH + 1) throw invalid("it is nested too deep");
  // Aliases can make a small document an endless one.
  if (isAlias(node)) throw invalid("aliases are not supported; write the values out");
  if (isSeq(node)) return `[${node.items.map((item) => jsonOf(item, depth + 1)).join(",")}]`;
  if (isMap(node)) {
    const fields = node.items.map(({ key, value }) => {
      return `${JSON.stringify(nameOf(key))}:${jsonOf(value, depth + 1)}`;
    });
    return `{${fields.join(",")}}`;
  }
  return isScalar(node) ? scalarText(node) : "null";
}

function nameOf(key: unknown): string {
  if (!isScalar(key)) throw invalid("a key is not text");
  return key.source ?? String(key.value);
}

const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

function scalarText({ value, source, type }: Scalar): string {
  if (typeof value !== "number") return JSON.stringify(value ?? null);
  if (type === Scalar.PLAIN && source !== undefined && JSON_NUMBER.test(source)) return source;
  if (!Number.isFinite(value)) throw invalid(`${String(source)} is no number in JSON`);
  return String(value);
}

function invalid(reason: string): BridgeError {
  return new BridgeError("INPUT_INVALID", `The request body is not YAML: ${reason}.`);
}
