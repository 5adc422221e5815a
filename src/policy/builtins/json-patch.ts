import { elementsOf, OperandError } from "./operands.ts";
import { type BuiltinFamily, family } from "./registry.ts";
import { equal, kindOf, RegoObject, RegoNumber, RegoSet, type Value } from "./value.ts";

/** `json.patch`: RFC 6902, on sets too, in which a value is its own position. */
export const patchBuiltins: BuiltinFamily = family({
  "json.patch": (operands) => {
    let document = operands.any(1);
    for (const operation of operands.array(2)) document = apply(document, operation);
    return document;
  },
});

type Path = readonly Value[];

function apply(document: Value, operation: Value): Value {
  if (!(operation instanceof RegoObject)) {
    throw new Error(
      "must be an array of JSON-Patch objects, but at least one element is not an object",
    );
  }
  const attribute = (name: string): Value => {
    const value = operation.get(name);
    if (value === undefined) throw new Error(`missing required attribute '${name}'`);
    return value;
  };
  const at = attribute("path");
  const name = attribute("op");
  if (typeof name !== "string") {
    throw new Error(`attribute 'op' must be a string but found: ${kindOf(name)}`);
  }
  const path = parsePath(at);
  switch (name) {
    case "add":
      return insert(document, path, attribute("value"));
    case "remove":
      return remove(document, path);
    case "replace":
      return insert(remove(document, path), path, attribute("value"));
    case "move": {
      const from = parsePath(attribute("from"));
      return insert(remove(document, from), path, lookUp(document, from));
    }
    case "copy":
      return insert(document, path, lookUp(document, parsePath(attribute("from"))));
    case "test":
      if (equal(lookUp(document, path), attribute("value"))) return document;
      throw new Error("value from EditTree != patch value");
    default:
      throw new Error(`unrecognized op: '${name}'`);
  }
}

function parsePath(value: Value): Path {
  if (value === "") return [];
  if (typeof value === "string") {
    const segments = value.replace(/^\/+/, "").split("/");
    return segments.map((segment) => segment.replaceAll("~1", "/").replaceAll("~0", "~"));
  }
  if (Array.isArray(value)) return value;
  throw new OperandError(
    `operand 2 must be one of {set, array} containing string paths or array of path segments but got ${kindOf(value)}`,
  );
}

function lookUp(document: Value, path: Path): Value {
  return path.reduce<Value>((value, segment) => child(value, segment), document);
}

function child(parent: Value, segment: Value): Value {
  let found: Value | undefined;
  if (parent instanceof RegoObject) found = parent.get(segment);
  else if (parent instanceof RegoSet) found = parent.has(segment) ? segment : undefined;
  else if (Array.isArray(parent)) found = parent[position(segment, parent.length - 1)] as Value;
  else throw new Error(`expected composite type, found value: ${kindOf(parent)}`);
  if (found === undefined) throw new Error("path does not exist in target");
  return found;
}

/** Puts the answer for the last segment's parent in the place of that. */
function change(document: Value, path: Path, edit: (parent: Value, last: Value) => Value): Value {
  const [segment, ...rest] = path;
  if (rest.length === 0) return edit(document, segment!);
  const changed = change(child(document, segment!), rest, edit);
  if (document instanceof RegoObject) return withEntry(document, segment!, changed);
  if (document instanceof RegoSet) {
    return new RegoSet([...without(document, segment!).values, changed]);
  }
  const items = [...elementsOf(1, document)];
  items[position(segment!, items.length - 1)] = changed;
  return items;
}

function insert(document: Value, path: Path, value: Value): Value {
  if (path.length === 0) return value;
  return change(document, path, (parent, last) => {
    if (parent instanceof RegoObject) return withEntry(parent, last, value);
    if (parent instanceof RegoSet) {
      if (!equal(last, value)) throw new Error("set key does not equal value to be inserted");
      return new RegoSet([...parent.values, value]);
    }
    if (!Array.isArray(parent)) throw new Error(`expected composite type, found ${kindOf(parent)}`);
    const index = last === "-" ? parent.length : position(last, parent.length);
    return parent.toSpliced(index, 0, value) as Value;
  });
}

function remove(document: Value, path: Path): Value {
  // Of nothing there is nothing left to put anything into.
  if (path.length === 0) return null;
  return change(document, path, (parent, last) => {
    child(parent, last);
    if (parent instanceof RegoSet) return without(parent, last);
    if (parent instanceof RegoObject) {
      return new RegoObject(parent.entries.filter(([key]) => !equal(key, last)));
    }
    const items = elementsOf(1, parent);
    return items.toSpliced(position(last, items.length - 1), 1);
  });
}

function withEntry(object: RegoObject, key: Value, value: Value): RegoObject {
  return new RegoObject([...object.entries, [key, value]]);
}

function without(set: RegoSet, value: Value): RegoSet {
  return new RegoSet(set.values.filter((item) => !equal(item, value)));
}

/** An array's index, up to and including `last`. */
function position(segment: Value, last: number): number {
  let index: number | undefined;
  if (segment instanceof RegoNumber) index = Number(segment.integer ?? -1n);
  else if (typeof segment === "string" && /^(?:0|[1-9]\d*)$/.test(segment)) index = Number(segment);
  if (index === undefined) throw new Error("invalid array index");
  if (index < 0 || index > last) throw new Error(`index ${index} out of range`);
  return index;
}
