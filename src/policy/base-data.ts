import { JsonSplitter } from "../common/json-split.ts";
import {
  type FieldsView,
  isObjectText,
  MAX_JSON_DEPTH,
  objectFields,
  objectText,
  textAt,
} from "../common/json-text.ts";
import { type Slices, slices as processSlices } from "../common/slices.ts";
import { checkUtf8 } from "../common/utf8.ts";
import { type Place, type PlacedPart, placeIn } from "../store/document.ts";

/**
 * The data that bundles bring: an object, held in pieces of a few kilobytes of JSON text, so that it can be put into
 * a policy's memory a little at a time. It never changes.
 */
export class BaseData {
  /** No data at all. */
  static readonly none: BaseData = new BaseData(new Map());

  /** @hidden Not to be changed. */
  readonly fields: FieldsView;

  private constructor(fields: FieldsView) {
    this.fields = fields;
  }

  /**
   * From a JSON object, as text or as UTF-8, in slices; bytes are kept, and must not change. Rejects with a
   * `SplitError` when it is not one, and with a TypeError when bytes are not UTF-8.
   */
  static async parse(
    json: string | Buffer,
    slices: Slices = processSlices,
    maxDepth: number = MAX_JSON_DEPTH,
  ): Promise<BaseData> {
    const bytes = typeof json === "string" ? Buffer.from(json) : await checkUtf8(json, slices);
    const splitter = new JsonSplitter(bytes, maxDepth);
    await slices.run((end) => splitter.slice(end));
    return new BaseData(splitter.fields);
  }

  /** Several in one, field by field and level by level; where two can't both stand, the later one does. */
  static merge(all: readonly BaseData[]): BaseData {
    const full = all.filter((data) => !data.isEmpty);
    if (full.length < 2) return full[0] ?? BaseData.none;
    const own = new Set<FieldsView>();
    return new BaseData(
      full.map((data) => data.fields).reduce((under, over) => merged(under, over, own)),
    );
  }

  /** Whether there is nothing in it. */
  get isEmpty(): boolean {
    return this.fields.size === 0;
  }

  /** The names at the top. */
  get names(): ReadonlySet<string> {
    return new Set(this.fields.keys());
  }

  /** The same at the end of a path. */
  under(path: readonly string[]): BaseData {
    return path.length === 0
      ? this
      : new BaseData(
          path.reduceRight<FieldsView>((inner, name) => new Map([[name, inner]]), this.fields),
        );
  }

  /** The JSON text at a path, undefined where there is nothing. */
  text(path: readonly string[] = []): string | undefined {
    let fields = this.fields;
    for (const [depth, name] of path.entries()) {
      const value = fields.get(name);
      if (value === undefined) return undefined;
      if (typeof value === "string") return textAt(value, path.slice(depth + 1));
      fields = value;
    }
    return objectText(fields);
  }

  /** @hidden The pieces, depth first. */
  parts(): Generator<PlacedPart> {
    return walk(this.fields);
  }

  /** A path that holds something and is neither one of these nor under one of them; undefined where all are. */
  outside(roots: readonly (readonly string[])[]): readonly string[] | undefined {
    return firstOutside(this.fields, [], roots);
  }
}

function* walk(fields: FieldsView, under?: string, above?: Place): Generator<PlacedPart> {
  const place = placeIn(above, under, fields.size);
  for (const [name, value] of fields) {
    if (typeof value === "string") yield { place, name, text: value };
    else if (value.size === 0) yield { place, name, text: "{}" };
    else yield* walk(value, name, place);
  }
}

type Merged = Map<string, string | FieldsView>;

/** Neither is changed, except for maps that are this merge's own. */
function merged(under: FieldsView, over: FieldsView, own: Set<FieldsView>): FieldsView {
  const result: Merged = own.has(under) ? (under as Merged) : new Map(under);
  own.add(result);
  for (const [name, value] of over) {
    const lower = asFields(result.get(name));
    const upper = asFields(value);
    result.set(name, lower && upper ? merged(lower, upper, own) : value);
  }
  return result;
}

function asFields(value: string | FieldsView | undefined): FieldsView | undefined {
  if (typeof value !== "string") return value;
  return isObjectText(value) ? objectFields(value) : undefined;
}

function firstOutside(
  fields: FieldsView,
  path: readonly string[],
  roots: readonly (readonly string[])[],
): readonly string[] | undefined {
  for (const [name, value] of fields) {
    const here = [...path, name];
    const onTheWay = roots.filter((root) => startsWith(root, here) || startsWith(here, root));
    if (onTheWay.length === 0) return here;
    if (onTheWay.some((root) => root.length <= here.length)) continue;
    // An object that only leads to a root holds nothing of its own.
    const inner = asFields(value);
    const found = inner === undefined ? here : firstOutside(inner, here, onTheWay);
    if (found !== undefined) return found;
  }
  return undefined;
}

function startsWith(path: readonly string[], start: readonly string[]): boolean {
  return start.every((name, index) => path[index] === name);
}
