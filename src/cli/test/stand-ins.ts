/** The builtins that tests have stand-ins for. */
const BUILTINS: ReadonlySet<string> = new Set(["watch_bucket", "get_data", "status"]);

/** The package of the stand-ins, and where the fixtures are that policies don't see. */
const PACKAGE = "nats_opa_bridge_test";

/** The file with the stand-ins, beside the copies of the policies. */
export const STAND_INS_FILE = "nats_opa_bridge_test.rego";

/**
 * `nats.kv.*` as functions on data. What stands at `data.nats.kv` counts, also when a test replaces it by `with`; the
 * root bucket, which stands elsewhere, is added to it.
 */
export const STAND_INS: string = `package ${PACKAGE}

import rego.v1

documents := object.union(data.${PACKAGE}.root, data.nats.kv)

watch_bucket(bucket) if _ = documents[bucket]

else := false

get_data(bucket, key) := object.get(documents, array.concat([bucket], split(key, ".")), null)

status(bucket) := {"state": "live", "revision": revision, "age_ms": 0} if {
	_ = documents[bucket]
	revision := object.get(data.${PACKAGE}.revisions, bucket, 1)
} else := {"state": "unwatched"}
`;

/** The data of the stand-ins, as JSON text. */
export function standInData(root: string, revisions: string): string {
  return `{${JSON.stringify(PACKAGE)}:{"root":${root},"revisions":${revisions}}}`;
}

/** A reference in the tree that `opa parse --json-include locations` prints. */
interface Reference {
  readonly location: { readonly row: number; readonly col: number; readonly text: string };
  readonly type: "ref";
  readonly value: readonly { readonly value?: unknown }[];
}

/**
 * A policy's text with the references to `nats.kv.*` replaced by references to the stand-ins. Lines stay where they
 * are, so what is said of them holds for the policy itself. `tree` is what opa parsed it to.
 */
export function withStandIns(source: string, tree: unknown): string {
  const lines = source.split("\n");
  const seen = new Set<string>();
  const found = [...references(tree)].filter(({ location: { row, col } }) => {
    const place = `${row}:${col}`;
    return !seen.has(place) && seen.add(place);
  });
  // From the end, so that the places before it stay right.
  const fromTheEnd = found.toSorted((a, b) => b.location.col - a.location.col);
  for (const { location, value } of fromTheEnd) {
    const text = Buffer.from(location.text, "base64").toString("utf8");
    const line = lines[location.row - 1];
    const [first, ...more] = text.split("\n");
    if (line === undefined || first === undefined) continue;
    const at = placeOf(line, location.col, first);
    if (at === undefined) continue;
    const name = String(value[2]!.value);
    // The rest of a reference over several lines would follow it: no one writes that.
    if (more.length > 0) continue;
    lines[location.row - 1] =
      `${line.slice(0, at)}data.${PACKAGE}.${name}${line.slice(at + first.length)}`;
  }
  return lines.join("\n");
}

/** Columns count bytes or characters, which differs behind what is not ASCII. */
function placeOf(line: string, column: number, text: string): number | undefined {
  const bytes = Buffer.from(line)
    .subarray(0, column - 1)
    .toString("utf8").length;
  const characters = Array.from(line)
    .slice(0, column - 1)
    .join("").length;
  return [bytes, characters, column - 1].find((at) => line.startsWith(text, at));
}

function* references(node: unknown): Generator<Reference> {
  if (typeof node !== "object" || node === null) return;
  if (isStoodIn(node)) yield node;
  for (const child of Object.values(node)) yield* references(child);
}

function isStoodIn(node: object): node is Reference {
  const { type, value, location } = node as Partial<Reference>;
  if (type !== "ref" || !Array.isArray(value) || location?.text === undefined) return false;
  const [top, second, third] = (value as Reference["value"]).map((term) => term.value);
  return top === "nats" && second === "kv" && value.length === 3 && BUILTINS.has(String(third));
}
