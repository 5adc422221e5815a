/** The parameters of a URL, as Fastify parses them. */
export type QueryParameters = Readonly<Record<string, string | readonly string[] | undefined>>;

const NONE: readonly string[] = [];

/** Every value that a parameter was given. */
export function valuesOf(query: QueryParameters, name: string): readonly string[] {
  const value = query[name];
  if (value === undefined) return NONE;
  return typeof value === "string" ? [value] : value;
}

/** Whether a parameter is on. As in OPA, one without a value is, and otherwise only "true" means true. */
export function flag(query: QueryParameters, name: string): boolean {
  if (query[name] === undefined) return false;
  const values = valuesOf(query, name);
  if (values.length === 1 && values[0] === "") return true;
  return values.some((value) => value.toLowerCase() === "true");
}
