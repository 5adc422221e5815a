import {
  type ASTNode,
  type ConstDirectiveNode,
  type DefinitionNode,
  type DirectiveNode,
  type DocumentNode,
  type FieldDefinitionNode,
  type InputValueDefinitionNode,
  Kind,
  type SelectionSetNode,
  type TypeNode,
  type ValueNode,
  type VariableDefinitionNode,
} from "graphql";

/** A node in the form in which OPA gives it to policies, that of the Go library gqlparser. */
export type Plain = { readonly [name: string]: unknown };

const VALUE_KINDS: readonly string[] = [
  Kind.VARIABLE,
  Kind.INT,
  Kind.FLOAT,
  Kind.STRING,
  "BlockString",
  Kind.BOOLEAN,
  Kind.NULL,
  Kind.ENUM,
  Kind.LIST,
  Kind.OBJECT,
];

/** What kinds of definitions are called; an extension has the name of what it extends. */
const DEFINITION_KINDS: Readonly<Record<string, string>> = {
  Scalar: "SCALAR",
  Object: "OBJECT",
  Interface: "INTERFACE",
  Union: "UNION",
  Enum: "ENUM",
  InputObject: "INPUT_OBJECT",
};

export function queryAst({ definitions }: DocumentNode): Plain {
  return pruned({
    Operations: definitions.flatMap((node) =>
      node.kind !== Kind.OPERATION_DEFINITION
        ? []
        : [
            {
              Operation: node.operation,
              Name: node.name?.value ?? "",
              VariableDefinitions: node.variableDefinitions?.map(variable),
              Directives: directives(node.directives),
              SelectionSet: selections(node.selectionSet),
            },
          ],
    ),
    Fragments: definitions.flatMap((node) =>
      node.kind !== Kind.FRAGMENT_DEFINITION
        ? []
        : [
            {
              Name: node.name.value,
              // oxlint-disable-next-line typescript/no-deprecated -- gqlparser knows them too
              VariableDefinition: node.variableDefinitions?.map(variable),
              TypeCondition: node.typeCondition.name.value,
              Directives: directives(node.directives),
              SelectionSet: selections(node.selectionSet),
            },
          ],
    ),
  });
}

export function schemaAst({ definitions }: DocumentNode): Plain {
  const schema = (kind: Kind): Plain[] =>
    definitions.flatMap((node) =>
      (node.kind === Kind.SCHEMA_DEFINITION || node.kind === Kind.SCHEMA_EXTENSION) &&
      node.kind === kind
        ? [
            {
              Description: description(node),
              Directives: directives(node.directives),
              OperationTypes: node.operationTypes?.map(({ operation, type }) => ({
                Operation: operation,
                Type: type.name.value,
              })),
            },
          ]
        : [],
    );
  return pruned({
    Schema: schema(Kind.SCHEMA_DEFINITION),
    SchemaExtension: schema(Kind.SCHEMA_EXTENSION),
    Directives: definitions.flatMap((node) =>
      node.kind !== Kind.DIRECTIVE_DEFINITION
        ? []
        : [
            {
              Description: description(node),
              Name: node.name.value,
              Arguments: node.arguments?.map(inputValue),
              Locations: node.locations.map(({ value }) => value),
              IsRepeatable: node.repeatable,
            },
          ],
    ),
    Definitions: definitions.flatMap((node) => definition(node, "TypeDefinition")),
    Extensions: definitions.flatMap((node) => definition(node, "TypeExtension")),
  });
}

function definition(node: DefinitionNode, suffix: string): Plain[] {
  if (!node.kind.endsWith(suffix)) return [];
  const kind = DEFINITION_KINDS[node.kind.slice(0, -suffix.length)]!;
  const { name, directives: given } = node as {
    name: { value: string };
    directives?: readonly DirectiveNode[];
  };
  const base = {
    Kind: kind,
    Description: description(node),
    Name: name.value,
    Directives: directives(given),
    BuiltIn: false,
  };
  const names = (nodes: readonly { name: { value: string } }[] = []): string[] =>
    nodes.map((item) => item.name.value);
  switch (node.kind) {
    case Kind.OBJECT_TYPE_DEFINITION:
    case Kind.OBJECT_TYPE_EXTENSION:
    case Kind.INTERFACE_TYPE_DEFINITION:
    case Kind.INTERFACE_TYPE_EXTENSION:
      return [{ ...base, Interfaces: names(node.interfaces), Fields: node.fields?.map(field) }];
    case Kind.INPUT_OBJECT_TYPE_DEFINITION:
    case Kind.INPUT_OBJECT_TYPE_EXTENSION:
      return [{ ...base, Fields: node.fields?.map(inputValue) }];
    case Kind.UNION_TYPE_DEFINITION:
    case Kind.UNION_TYPE_EXTENSION:
      return [{ ...base, Types: names(node.types) }];
    case Kind.ENUM_TYPE_DEFINITION:
    case Kind.ENUM_TYPE_EXTENSION:
      return [
        {
          ...base,
          EnumValues: node.values?.map((item) => ({
            Description: description(item),
            Name: item.name.value,
            Directives: directives(item.directives),
          })),
        },
      ];
    default:
      return [base];
  }
}

function description(node: ASTNode): string {
  return (node as { description?: { value: string } }).description?.value ?? "";
}

function field(node: FieldDefinitionNode): Plain {
  return {
    Description: description(node),
    Name: node.name.value,
    Arguments: node.arguments?.map(inputValue),
    Type: type(node.type),
    Directives: directives(node.directives),
  };
}

function inputValue(node: InputValueDefinitionNode): Plain {
  return {
    Description: description(node),
    Name: node.name.value,
    DefaultValue: node.defaultValue && value(node.defaultValue),
    Type: type(node.type),
    Directives: directives(node.directives),
  };
}

function variable(node: VariableDefinitionNode): Plain {
  return {
    Variable: node.variable.name.value,
    Type: type(node.type),
    DefaultValue: node.defaultValue && value(node.defaultValue),
    Directives: directives(node.directives),
    Used: false,
  };
}

function directives(nodes: readonly (DirectiveNode | ConstDirectiveNode)[] = []): Plain[] {
  return nodes.map((node) => ({
    Name: node.name.value,
    Arguments: node.arguments?.map(argument),
    Location: "",
  }));
}

function argument(node: { name: { value: string }; value: ValueNode }): Plain {
  return { Name: node.name.value, Value: value(node.value) };
}

function selections(set: SelectionSetNode | undefined): Plain[] {
  return (set?.selections ?? []).map((node) => {
    switch (node.kind) {
      case Kind.FIELD:
        return {
          Alias: node.alias?.value ?? node.name.value,
          Name: node.name.value,
          Arguments: node.arguments?.map(argument),
          Directives: directives(node.directives),
          SelectionSet: selections(node.selectionSet),
        };
      case Kind.FRAGMENT_SPREAD:
        return { Name: node.name.value, Directives: directives(node.directives) };
      case Kind.INLINE_FRAGMENT:
        return {
          TypeCondition: node.typeCondition?.name.value ?? "",
          Directives: directives(node.directives),
          SelectionSet: selections(node.selectionSet),
        };
    }
  });
}

function type(node: TypeNode): Plain {
  switch (node.kind) {
    case Kind.NON_NULL_TYPE:
      return { ...type(node.type), NonNull: true };
    case Kind.LIST_TYPE:
      return { NamedType: "", Elem: type(node.type), NonNull: false };
    case Kind.NAMED_TYPE:
      return { NamedType: node.name.value, NonNull: false };
  }
}

function value(node: ValueNode): Plain {
  const kind = node.kind === Kind.STRING && node.block === true ? "BlockString" : node.kind;
  const of = (raw: string, children: Plain[] = []): Plain => ({
    Raw: raw,
    Children: children,
    Kind: VALUE_KINDS.indexOf(kind),
    ExpectedTypeHasDefault: false,
  });
  switch (node.kind) {
    case Kind.VARIABLE:
      return of(node.name.value);
    case Kind.NULL:
      return of("null");
    case Kind.LIST:
      return of(
        "",
        node.values.map((item) => ({ Name: "", Value: value(item) })),
      );
    case Kind.OBJECT:
      return of("", node.fields.map(argument));
    default:
      return of(String(node.value));
  }
}

/** Without what is absent or empty, as OPA gives it. */
function pruned(node: Plain): Plain {
  return (prune(node) as Plain | undefined) ?? {};
}

function prune(item: unknown): unknown {
  if (item === null || item === undefined) return undefined;
  if (Array.isArray(item)) {
    const items = item.map(prune).filter((element) => element !== undefined);
    return items.length === 0 ? undefined : items;
  }
  if (typeof item !== "object") return item;
  const fields = Object.entries(item)
    .map(([name, value]) => [name, prune(value)] as const)
    .filter(([, value]) => value !== undefined);
  return fields.length === 0 ? undefined : Object.fromEntries(fields);
}
