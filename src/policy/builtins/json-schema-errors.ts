import type { ErrorObject } from "ajv";

/** What OPA says of a schema with a type that there isn't. */
export const INVALID_TYPE =
  "has a primitive type that is NOT VALID -- given: /%/ Expected valid values are:[array boolean integer number null object string]";

/** Most parameters are numbers and names, which are written as they are. */
type Describe = (params: Readonly<Record<string, string>>, error: ErrorObject) => string;

/** The keywords of JSON Schema: OPA's name for what does not hold, and its words for it. */
const DESCRIPTIONS: Readonly<Record<string, readonly [type: string, describe: Describe]>> = {
  "false schema": ["false", () => "False always fails validation"],
  required: ["required", (p) => `${p["missingProperty"]} is required`],
  type: [
    "invalid_type",
    (p, { data }) => {
      const types = [p["type"]].flat().join(",").split(",");
      const expected = types.length > 1 ? `[${types.join(",")}]` : types[0]!;
      return `Invalid type. Expected: ${expected}, given: ${typeOf(data)}`;
    },
  ],
  anyOf: ["number_any_of", () => "Must validate at least one schema (anyOf)"],
  oneOf: ["number_one_of", () => "Must validate one and only one schema (oneOf)"],
  not: ["number_not", () => "Must not validate the schema (not)"],
  dependencies: ["missing_dependency", (p) => `Has a dependency on ${p["missingProperty"]}`],
  const: ["const", (p, error) => `${nameOf(error)} does not match: ${text(p["allowedValue"])}`],
  enum: [
    "enum",
    (_, error) => {
      const allowed = (error.params["allowedValues"] as unknown[]).map(text).join(", ");
      return `${nameOf(error)} must be one of the following: ${allowed}`;
    },
  ],
  additionalItems: ["array_no_additional_items", () => "No additional items allowed on array"],
  minItems: ["array_min_items", (p) => `Array must have at least ${p["limit"]} items`],
  maxItems: ["array_max_items", (p) => `Array must have at most ${p["limit"]} items`],
  uniqueItems: ["unique", () => "array items must be unique"],
  contains: ["contains", () => "At least one of the items must match"],
  minProperties: ["array_min_properties", (p) => `Must have at least ${p["limit"]} properties`],
  maxProperties: ["array_max_properties", (p) => `Must have at most ${p["limit"]} properties`],
  additionalProperties: [
    "additional_property_not_allowed",
    (p) => `Additional property ${p["additionalProperty"]} is not allowed`,
  ],
  propertyNames: [
    "invalid_property_name",
    (p) => `Property name of "${p["propertyName"]}" does not match`,
  ],
  minLength: ["string_gte", (p) => `String length must be greater than or equal to ${p["limit"]}`],
  maxLength: ["string_lte", (p) => `String length must be less than or equal to ${p["limit"]}`],
  pattern: ["pattern", (p) => `Does not match pattern '${p["pattern"]}'`],
  format: ["format", (p) => `Does not match format '${p["format"]}'`],
  multipleOf: ["multiple_of", (p) => `Must be a multiple of ${p["multipleOf"]}`],
  minimum: ["number_gte", (p) => `Must be greater than or equal to ${p["limit"]}`],
  exclusiveMinimum: ["number_gt", (p) => `Must be greater than ${p["limit"]}`],
  maximum: ["number_lte", (p) => `Must be less than or equal to ${p["limit"]}`],
  exclusiveMaximum: ["number_lt", (p) => `Must be less than ${p["limit"]}`],
  if: [
    "condition_then",
    (p) =>
      p["failingKeyword"] === "then"
        ? 'Must validate "then" as "if" was valid'
        : 'Must validate "else" as "if" was not valid',
  ],
};

/** What does not hold, in OPA's words. */
export function descriptionOf(error: ErrorObject): { type: string; text: string } {
  const { params } = error;
  const keyword = keywordOf(error);
  const described = Object.hasOwn(DESCRIPTIONS, keyword) ? DESCRIPTIONS[keyword] : undefined;
  if (described === undefined) return { type: keyword, text: error.message ?? keyword };
  const [type, describe] = described;
  const isElse = keyword === "if" && params["failingKeyword"] === "else";
  return {
    type: isElse ? "condition_else" : type,
    text: describe(params as Record<string, string>, error),
  };
}

/** In draft 4, `minimum` and `maximum` may mean what their exclusive forms do. */
function keywordOf({ keyword, params }: ErrorObject): string {
  const exclusive = params["comparison"] === ">" || params["comparison"] === "<";
  if (keyword === "minimum" && exclusive) return "exclusiveMinimum";
  return keyword === "maximum" && exclusive ? "exclusiveMaximum" : keyword;
}

/** A JSON Pointer as OPA writes it: `a.0.b`, or `(root)`. */
export function fieldOf(pointer: string): string {
  const segments = pointer.split("/").slice(1);
  if (segments.length === 0) return "(root)";
  return segments.map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~")).join(".");
}

function nameOf({ instancePath }: ErrorObject): string {
  return fieldOf(instancePath);
}

function text(value: unknown): string {
  return JSON.stringify(value);
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return Number.isInteger(value) ? "integer" : typeof value;
}
