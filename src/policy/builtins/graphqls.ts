import {
  buildASTSchema,
  type DefinitionNode,
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  isTypeExtensionNode,
  isTypeDefinitionNode,
  Kind,
  validate,
  validateSchema,
} from "graphql";
import { validateSDL } from "graphql/validation/validate.js";
import { LRUCache } from "lru-cache";
import { queryAst, schemaAst } from "./graphql-ast.ts";
import { parseGraphql, queryDocument, schemaDocument } from "./graphql-document.ts";
import { wrongKind } from "./operands.ts";
import { type BuiltinFamily, family } from "./registry.ts";
import { RegoObject, type Value } from "./value.ts";
import { jsonText, parseJson, valueText } from "./value-text.ts";

/** `graphql.*`. Documents have the form of OPA's. */
export const graphqlBuiltins: BuiltinFamily = family({
  "graphql.parse_query": (operands) => toValue(queryAst(reading(operands.string(1)))),
  "graphql.parse_schema": (operands) => toValue(schemaAst(reading(operands.string(1)))),
  "graphql.schema_is_valid": (operands) => answers(() => schemaOf(operands.any(1))),
  "graphql.is_valid": (operands) => answers(() => verify(operands.any(1), operands.any(2))),
  "graphql.parse": (operands) => verify(operands.any(1), operands.any(2)),
  "graphql.parse_and_verify": (operands) => {
    try {
      return [true, ...verify(operands.any(1), operands.any(2))];
    } catch {
      return [false, new RegoObject(), new RegoObject()];
    }
  },
});

interface Schema {
  readonly schema: GraphQLSchema;
  readonly ast: Value;
}

/** Schemas take long to check, and are mostly the same. */
const schemas = new LRUCache<string, Schema>({ max: 10 });

function answers(ask: () => unknown): boolean {
  try {
    ask();
    return true;
  } catch {
    return false;
  }
}

function toValue(plain: object): Value {
  return parseJson(JSON.stringify(plain));
}

/** With errors in the form of OPA's. */
function reading(text: string): DocumentNode {
  try {
    return parseGraphql(text);
  } catch (error) {
    throw located(error);
  }
}

function located(error: unknown): Error {
  if (!(error instanceof GraphQLError)) return error as Error;
  const message = error.message.replace(/^Syntax Error: /, "").replace(/\.$/, "");
  const [location] = error.locations ?? [];
  if (location === undefined) return new Error(`GraphQL parse error: ${message}`);
  return new Error(`${message} in GraphQL string at location ${location.line}:${location.column}`);
}

/** The query and the schema, if the one is right by the other. */
function verify(query: Value, schemaValue: Value): [query: Value, schema: Value] {
  const document = documentOf(1, query, queryDocument);
  const { schema, ast } = schemaOf(schemaValue);
  const [error] = validate(schema, document, undefined, { maxErrors: 1 });
  if (error !== undefined) throw located(error);
  return [query instanceof RegoObject ? query : toValue(queryAst(document)), ast];
}

function documentOf(
  position: number,
  value: Value,
  convert: (node: Record<string, unknown>) => DocumentNode,
): DocumentNode {
  if (typeof value === "string") return reading(value);
  if (!(value instanceof RegoObject)) throw wrongKind(position - 1, value, "string", "object");
  return convert(JSON.parse(jsonText(value)) as Record<string, unknown>);
}

function schemaOf(value: Value): Schema {
  const key = valueText(value);
  let found = schemas.get(key);
  if (found === undefined) schemas.set(key, (found = makeSchema(value)));
  return found;
}

function makeSchema(value: Value): Schema {
  const document = documentOf(2, value, schemaDocument);
  const complete = withExtended(document);
  const [error] = validateSDL(complete);
  if (error !== undefined) throw conversion(error);
  const schema = buildASTSchema(complete, { assumeValidSDL: true });
  // A schema that nothing can be asked of is one to gqlparser.
  const [invalid] = validateSchema(schema).filter(
    ({ message }) => message !== "Query root type must be provided.",
  );
  if (invalid !== undefined) throw conversion(invalid);
  // What has been looked at is not looked at again.
  (schema as { __validationErrors?: readonly GraphQLError[] }).__validationErrors = [];
  return { schema, ast: value instanceof RegoObject ? value : toValue(schemaAst(document)) };
}

function conversion(error: GraphQLError): Error {
  return new Error(
    `Error in gqlparser SchemaDocument to Schema conversion: ${located(error).message}`,
  );
}

/** gqlparser lets types be extended that nobody has defined: the first extension defines them. */
function withExtended(document: DocumentNode): DocumentNode {
  const defined = new Set(
    document.definitions.filter(isTypeDefinitionNode).map((node) => node.name.value),
  );
  const definitions = document.definitions.map((node): DefinitionNode => {
    if (!isTypeExtensionNode(node) || defined.has(node.name.value)) return node;
    defined.add(node.name.value);
    return { ...node, kind: node.kind.replace("Extension", "Definition") } as DefinitionNode;
  });
  return { kind: Kind.DOCUMENT, definitions };
}
