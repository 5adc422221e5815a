import { changeInside, JsonContainer, pointerSegments } from "../common/json-edit.ts";
import { objectFields, textAt } from "../common/json-text.ts";
import { BridgeError, quote } from "../errors.ts";
import { equalJson } from "./json-equal.ts";

/** Bounds the work that one request can ask for: each operation goes through the document once. */
const MAX_OPERATIONS = 1_000;
const MAX_WORK = 64 * 2 ** 20;

/**
 * A JSON text after a JSON Patch (RFC 6902), all of it or nothing; what is not touched keeps every digit. Both texts
 * are JSON.
 *
 * Throws `PATCH_INVALID`, `KEY_NOT_FOUND` where a path leads nowhere, `PATCH_TEST_FAILED`, or `WRITE_TOO_LARGE` when
 * the document outgrows `maxLength` characters on the way.
 */
export function patchJson(document: string, patch: string, maxLength: number): string {
  const operations = JsonContainer.open(patch);
  if (operations?.isArray !== true) throw invalid("the body must be a list of operations");
  let text = document;
  let work = 0;
  for (let index = 0; ; index++) {
    const operation = operations.get(String(index));
    if (operation === undefined) return text;
    work += text.length;
    if (index === MAX_OPERATIONS || work > MAX_WORK) {
      throw invalid(`operation ${index} is one too many; send fewer in one request`);
    }
    text = apply(text, operation, index);
    if (text.length > maxLength) {
      throw new BridgeError(
        "WRITE_TOO_LARGE",
        `The document has more than ${maxLength} characters after operation ${index}; make it smaller.`,
      );
    }
  }
}

function apply(text: string, operation: string, index: number): string {
  if (!operation.trimStart().startsWith("{")) throw invalid(`operation ${index} is not an object`);
  const fields = objectFields(operation);
  const where = `of operation ${index}`;
  const op = stringOf(fields.get("op"), `"op" ${where}`);
  const path = pathOf(fields.get("path"), `"path" ${where}`);
  const value = (): string => {
    const given = fields.get("value");
    if (given === undefined) throw invalid(`"value" ${where} is missing`);
    return given.trim();
  };
  const found = (at: readonly string[]): string => {
    const there = textAt(text, at);
    if (there === undefined) throw nowhere(at, index);
    return there;
  };
  switch (op) {
    case "add":
      return add(text, path, value(), index);
    case "remove":
      return remove(text, path, index);
    case "replace": {
      const replacement = value();
      found(path);
      return put(text, path, replacement, index);
    }
    case "test":
      if (equalJson(found(path), value())) return text;
      throw new BridgeError(
        "PATCH_TEST_FAILED",
        `The test ${where} does not hold; read the document, and try again.`,
      );
    case "copy":
      return add(text, path, found(pathOf(fields.get("from"), `"from" ${where}`)), index);
    case "move": {
      const from = pathOf(fields.get("from"), `"from" ${where}`);
      const moved = found(from);
      const isAbove = from.every((segment, depth) => segment === path[depth]);
      if (isAbove && from.length === path.length) return text;
      if (isAbove) throw invalid(`"path" ${where} is inside what is moved`);
      return add(remove(text, from, index), path, moved, index);
    }
    default:
      throw invalid(`"op" ${where} is ${quote(op)}; use add, remove, replace, move, copy or test`);
  }
}

function add(text: string, path: readonly string[], value: string, index: number): string {
  return change(text, path, index, value, (container, name) => container.insert(name, value));
}

function put(text: string, path: readonly string[], value: string, index: number): string {
  return change(text, path, index, value, (container, name) => container.set(name, value));
}

function remove(text: string, path: readonly string[], index: number): string {
  if (path.length === 0) {
    throw invalid(`operation ${index} removes the whole document; send DELETE instead`);
  }
  return change(text, path, index, "", (container, name) => container.remove(name));
}

function change(
  text: string,
  path: readonly string[],
  index: number,
  whole: string,
  edit: (container: JsonContainer, name: string) => boolean,
): string {
  const name = path.at(-1);
  if (name === undefined) return whole;
  const changed = changeInside(text, path.slice(0, -1), (container) => edit(container, name));
  if (changed === undefined) throw nowhere(path, index);
  return changed;
}

function stringOf(text: string | undefined, what: string): string {
  const value: unknown = text === undefined ? undefined : JSON.parse(text);
  if (typeof value === "string") return value;
  throw invalid(`${what} is ${text === undefined ? "missing" : "not a string"}`);
}

function pathOf(text: string | undefined, what: string): string[] {
  const pointer = stringOf(text, what);
  const segments = pointerSegments(pointer);
  if (segments !== undefined) return segments;
  throw invalid(`${what} is ${quote(pointer)}, which is no JSON Pointer; write "/a/b"`);
}

function nowhere(path: readonly string[], index: number): BridgeError {
  return new BridgeError(
    "KEY_NOT_FOUND",
    `There is nothing at ${quote(`/${path.join("/")}`)} for operation ${index} of the patch; add what it needs first.`,
  );
}

function invalid(what: string): BridgeError {
  return new BridgeError("PATCH_INVALID", `Not a JSON Patch (RFC 6902): ${what}.`);
}
