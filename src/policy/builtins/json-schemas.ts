import { createRequire } from "node:module";
import {
  Ajv,
  type AnySchemaObject,
  type ErrorObject,
  type Options,
  type ValidateFunction,
} from "ajv";
import { LRUCache } from "lru-cache";
import { messageOf } from "../../errors.ts";
import { descriptionOf, fieldOf, INVALID_TYPE } from "./json-schema-errors.ts";
import { SCHEMA_FORMATS } from "./json-schema-formats.ts";
import { type BuiltinFamily, family } from "./registry.ts";
import { linearRegExp } from "./regexes.ts";
import { jsonText } from "./value-text.ts";
import { RegoObject, type Value } from "./value.ts";

/** `json.match_schema` and `json.verify_schema`, for drafts 4, 6 and 7. References to other places are never followed. */
export const schemaBuiltins: BuiltinFamily = family({
  "json.verify_schema": (operands) => {
    try {
      compile(textOf(operands.any(1)));
      return [true, null];
    } catch (error) {
      return [false, `jsonschema: ${messageOf(error)}`];
    }
  },
  "json.match_schema": (operands) => {
    const document: unknown = JSON.parse(textOf(operands.any(1)));
    const validate = compile(textOf(operands.any(2)));
    if (validate(document)) return [true, []];
    return [false, (validate.errors ?? []).map(answerOf)];
  },
});

/** As many as are kept ready. */
const ready = new LRUCache<string, ValidateFunction>({ max: 100 });

const load = createRequire(import.meta.url);
// At run time the class is a member of what the package exports, and JSON can't be imported on Node 20.
const { default: Draft04 } = load("ajv-draft-04") as { default: typeof Ajv };
const draft06 = load("ajv/dist/refs/json-schema-draft-06.json") as AnySchemaObject;

const OPTIONS: Options = {
  allErrors: true,
  strict: false,
  verbose: true,
  logger: false,
  formats: SCHEMA_FORMATS,
  // Patterns are RE2's, which take time in proportion to the text.
  code: { regExp: Object.assign(linearRegExp, { code: "" }) },
};

function textOf(value: Value): string {
  if (typeof value === "string") {
    JSON.parse(value);
    return value;
  }
  if (value instanceof RegoObject || Array.isArray(value)) return jsonText(value);
  throw new Error("wrong type, expected string or object");
}

function compile(text: string): ValidateFunction {
  let validate = ready.get(text);
  if (validate === undefined) ready.set(text, (validate = compileAnew(JSON.parse(text))));
  return validate;
}

function compileAnew(schema: unknown): ValidateFunction {
  if (typeof schema !== "boolean" && (typeof schema !== "object" || schema === null)) {
    throw new Error("schema is invalid");
  }
  const { $schema: named } = schema as { $schema?: unknown };
  const isFour = typeof named === "string" && named.includes("draft-04");
  const drafts = isFour ? [Draft04] : named === undefined ? [Ajv, Draft04] : [Ajv];
  let reason: unknown;
  // A schema that names no draft may be one of any.
  for (const Draft of drafts) {
    try {
      return withDraft(Draft, schema as AnySchemaObject);
    } catch (error) {
      reason ??= error;
    }
  }
  throw reason;
}

/** Each has an instance of its own: one that is shared would keep every schema for ever. */
function withDraft(Draft: typeof Ajv, schema: AnySchemaObject): ValidateFunction {
  const ajv = new Draft(OPTIONS);
  if (Draft === Ajv) ajv.addMetaSchema(draft06);
  // Ajv compares each item with every other one.
  ajv.removeKeyword("uniqueItems");
  ajv.addKeyword({
    keyword: "uniqueItems",
    type: "array",
    schemaType: "boolean",
    validate: (unique: boolean, items: unknown[]) =>
      !unique || new Set(items.map(canonical)).size === items.length,
  });
  if (ajv.validateSchema(schema) !== true) throw schemaError(ajv.errors ?? []);
  return ajv.compile(schema);
}

function schemaError(errors: readonly ErrorObject[]): Error {
  const type = errors.find(
    ({ keyword, instancePath }) => keyword === "enum" && instancePath.endsWith("/type"),
  );
  if (type !== undefined) return new Error(INVALID_TYPE.replace("%", String(type.data)));
  const [first] = errors;
  return new Error(`schema is invalid: ${fieldOf(first?.instancePath ?? "")}: ${first?.message}`);
}

function answerOf(error: ErrorObject): Value {
  const { type, text } = descriptionOf(error);
  const field = fieldOf(error.instancePath);
  return new RegoObject([
    ["error", `${field}: ${text}`],
    ["type", type],
    ["field", field],
    ["desc", text],
  ]);
}

/** One text for all documents that are equal. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, item]) => `${JSON.stringify(name)}:${canonical(item)}`).join(",")}}`;
}
