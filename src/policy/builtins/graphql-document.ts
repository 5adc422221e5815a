import { type DocumentNode, parse } from "graphql";

/** A node as policies have it; whatever it lacks is empty. */
interface Node {
  readonly [name: string]: unknown;
}

const NAME = /^[_A-Za-z]\w*$/;
const EMPTY: DocumentNode = { kind: "Document" as never, definitions: [] };

/** GraphQL's own text has no word for nothing. */
function isEmpty(text: string): boolean {
  return text.replaceAll(/#[^\n\r]*|[\s,\ufeff]/g, "") === "";
}

/** Reads a text; nothing at all is a document without definitions. Throws a GraphQLError. */
export function parseGraphql(text: string): DocumentNode {
  if (isEmpty(text)) return EMPTY;
  return parse(text, { noLocation: false, allowLegacyFragmentVariables: true, maxTokens: 100_000 });
}

/** The document that a query's node in OPA's form stands for. */
export function queryDocument(node: Node): DocumentNode {
  return parseGraphql(
    [
      ...nodes(node, "Operations").map(
        (operation) =>
          `${word(operation, "Operation", "query")} ${word(operation, "Name")}${variables(operation, "VariableDefinitions")}` +
          `${directives(operation)} ${selections(operation)}`,
      ),
      ...nodes(node, "Fragments").map(
        (fragment) =>
          `fragment ${word(fragment, "Name")}${variables(fragment, "VariableDefinition")} on ` +
          `${word(fragment, "TypeCondition")}${directives(fragment)} ${selections(fragment)}`,
      ),
    ].join("\n"),
  );
}

/** The document that a schema's node in OPA's form stands for. */
export function schemaDocument(node: Node): DocumentNode {
  return parseGraphql(
    [
      ...nodes(node, "Schema").map((schema) => `schema${schemaBody(schema)}`),
      ...nodes(node, "SchemaExtension").map((schema) => `extend schema${schemaBody(schema)}`),
      ...nodes(node, "Directives").map(
        (directive) =>
          `directive @${word(directive, "Name")}${list(nodes(directive, "Arguments").map(input), "(", ")")}` +
          `${directive["IsRepeatable"] === true ? " repeatable" : ""} on ${names(directive, "Locations").join(" | ")}`,
      ),
      ...nodes(node, "Definitions").map(definition),
      ...nodes(node, "Extensions").map((extension) => `extend ${definition(extension)}`),
    ].join("\n"),
  );
}

function schemaBody(node: Node): string {
  const types = nodes(node, "OperationTypes").map(
    (type) => `${word(type, "Operation")}: ${word(type, "Type")}`,
  );
  return directives(node) + list(types, " {", "}");
}

const KEYWORDS: Readonly<Record<string, string>> = {
  SCALAR: "scalar",
  OBJECT: "type",
  INTERFACE: "interface",
  UNION: "union",
  ENUM: "enum",
  INPUT_OBJECT: "input",
};

function definition(node: Node): string {
  const kind = text(node, "Kind");
  const keyword = Object.hasOwn(KEYWORDS, kind) ? KEYWORDS[kind]! : "";
  const interfaces = names(node, "Interfaces");
  const types = names(node, "Types");
  const fields = nodes(node, "Fields").map(kind === "INPUT_OBJECT" ? input : field);
  const values = nodes(node, "EnumValues").map((item) => word(item, "Name") + directives(item));
  return (
    `${keyword} ${word(node, "Name")}` +
    (interfaces.length === 0 ? "" : ` implements ${interfaces.join(" & ")}`) +
    directives(node) +
    (types.length === 0 ? "" : ` = ${types.join(" | ")}`) +
    list([...fields, ...values], " {", "}")
  );
}

function field(node: Node): string {
  const arguments_ = list(nodes(node, "Arguments").map(input), "(", ")");
  return `${word(node, "Name")}${arguments_}: ${type(child(node, "Type"))}${directives(node)}`;
}

function input(node: Node): string {
  return `${word(node, "Name")}: ${type(child(node, "Type"))}${byDefault(node)}${directives(node)}`;
}

function byDefault(node: Node): string {
  return isNode(node["DefaultValue"]) ? ` = ${value(node["DefaultValue"])}` : "";
}

function variables(node: Node, name: string): string {
  const definitions = nodes(node, name).map(
    (item) =>
      `$${word(item, "Variable")}: ${type(child(item, "Type"))}${byDefault(item)}${directives(item)}`,
  );
  return list(definitions, "(", ")");
}

function selections(node: Node): string {
  return list(nodes(node, "SelectionSet").map(selection), " {", "}");
}

function selection(node: Node): string {
  if ("TypeCondition" in node || !("Name" in node)) {
    const condition = word(node, "TypeCondition");
    return `...${condition === "" ? "" : ` on ${condition}`}${directives(node)}${selections(node)}`;
  }
  const name = word(node, "Name");
  if (!("Alias" in node)) return `...${name}${directives(node)}`;
  const alias = word(node, "Alias");
  const prefix = alias === name || alias === "" ? "" : `${alias}: `;
  return prefix + name + args(node) + directives(node) + selections(node);
}

function directives(node: Node): string {
  return nodes(node, "Directives")
    .map((directive) => ` @${word(directive, "Name")}${args(directive)}`)
    .join("");
}

function args(node: Node): string {
  const given = nodes(node, "Arguments").map(
    (argument) => `${word(argument, "Name")}: ${value(child(argument, "Value"))}`,
  );
  return list(given, "(", ")");
}

function type(node: Node): string {
  const inner = isNode(node["Elem"]) ? `[${type(node["Elem"])}]` : word(node, "NamedType");
  return node["NonNull"] === true ? `${inner}!` : inner;
}

/** By the number that gqlparser gives to the kind. */
function value(node: Node): string {
  const raw = text(node, "Raw");
  const children = nodes(node, "Children");
  switch (node["Kind"] ?? 0) {
    case 0:
      return `$${word(node, "Raw")}`;
    case 3:
    case 4:
      return JSON.stringify(raw);
    case 8:
      return `[${children.map((item) => value(child(item, "Value"))).join(", ")}]`;
    case 9:
      return `{${children.map((item) => `${word(item, "Name")}: ${value(child(item, "Value"))}`).join(", ")}}`;
    default:
      if (/^[-+.\w]+$/.test(raw)) return raw;
      throw new Error(`${JSON.stringify(raw)} is no value of GraphQL`);
  }
}

function list(items: readonly string[], open: string, close: string): string {
  return items.length === 0 ? "" : `${open}${items.join(" ")}${close}`;
}

function isNode(item: unknown): item is Node {
  return typeof item === "object" && item !== null && !Array.isArray(item);
}

function child(node: Node, name: string): Node {
  const item = node[name];
  return isNode(item) ? item : {};
}

function nodes(node: Node, name: string): Node[] {
  const items = node[name];
  return Array.isArray(items) ? items.filter(isNode) : [];
}

function text(node: Node, name: string): string {
  const item = node[name];
  return typeof item === "string" ? item : "";
}

/** A name, which may be absent; what is none could be anything in a text. */
function word(node: Node, name: string, otherwise = ""): string {
  const found = text(node, name);
  if (found === "") return otherwise;
  if (NAME.test(found)) return found;
  throw new Error(`${JSON.stringify(found)} is no name in GraphQL`);
}

function names(node: Node, name: string): string[] {
  const items = node[name];
  if (!Array.isArray(items)) return [];
  return items.map((item) => word({ name: item as unknown }, "name"));
}
