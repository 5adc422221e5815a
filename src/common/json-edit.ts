import {
  CLOSE_BRACKET,
  COMMA,
  OPEN_BRACE,
  OPEN_BRACKET,
  skipSpace,
  skipValue,
} from "./json-scan.ts";
import { isPosition, objectFields, objectText } from "./json-text.ts";

/** An object or an array whose members are JSON texts. Names such as `__proto__` are names like others. */
export class JsonContainer {
  readonly #members: Map<string, string> | string[];

  private constructor(members: Map<string, string> | string[]) {
    this.#members = members;
  }

  /** Opens one level of a text that `JSON.parse` has accepted; undefined for what is neither object nor array. */
  static open(text: string): JsonContainer | undefined {
    const first = text.charCodeAt(skipSpace(text, 0));
    if (first === OPEN_BRACE) return new JsonContainer(objectFields(text));
    return first === OPEN_BRACKET ? new JsonContainer(arrayItems(text)) : undefined;
  }

  static emptyObject(): JsonContainer {
    return new JsonContainer(new Map());
  }

  get isArray(): boolean {
    return Array.isArray(this.#members);
  }

  get(name: string): string | undefined {
    const members = this.#members;
    if (!Array.isArray(members)) return members.get(name);
    return isPosition(name) ? members[Number(name)] : undefined;
  }

  /** Sets a field, or an element that exists; false where there is none. */
  set(name: string, text: string): boolean {
    const members = this.#members;
    if (!Array.isArray(members)) members.set(name, text);
    else if (this.get(name) === undefined) return false;
    else members[Number(name)] = text;
    return true;
  }

  /** Sets a field, or puts an element before the one at this position; `-` is behind the last (RFC 6902, "add"). */
  insert(name: string, text: string): boolean {
    const members = this.#members;
    if (!Array.isArray(members)) return this.set(name, text);
    const position = name === "-" ? members.length : isPosition(name) ? Number(name) : -1;
    if (position < 0 || position > members.length) return false;
    members.splice(position, 0, text);
    return true;
  }

  /** Takes a member out; false where there is none. */
  remove(name: string): boolean {
    const members = this.#members;
    if (!Array.isArray(members)) return members.delete(name);
    if (this.get(name) === undefined) return false;
    members.splice(Number(name), 1);
    return true;
  }

  toText(): string {
    const members = this.#members;
    return Array.isArray(members) ? `[${members.join(",")}]` : objectText(members);
  }
}

function arrayItems(text: string): string[] {
  const items: string[] = [];
  let index = skipSpace(text, 0) + 1;
  for (;;) {
    index = skipSpace(text, index);
    const code = text.charCodeAt(index);
    if (code === CLOSE_BRACKET) return items;
    if (code === COMMA) {
      index++;
      continue;
    }
    const end = skipValue(text, index);
    items.push(text.slice(index, end));
    index = end;
  }
}

/**
 * The text with one container in it changed: the one that `path` leads to, which `change` is given. Undefined when
 * the path leads to none, or `change` answers false. With `create`, objects that are missing on the way are made.
 */
export function changeInside(
  text: string,
  path: readonly string[],
  change: (container: JsonContainer) => boolean,
  { create = false }: { readonly create?: boolean } = {},
): string | undefined {
  let container = JsonContainer.open(text);
  const outer: JsonContainer[] = [];
  for (const name of path) {
    if (container === undefined) return undefined;
    outer.push(container);
    const inside = container.get(name);
    const mayCreate = create && inside === undefined && !container.isArray;
    if (inside === undefined && !mayCreate) return undefined;
    container = inside === undefined ? JsonContainer.emptyObject() : JsonContainer.open(inside);
  }
  if (container === undefined || !change(container)) return undefined;
  for (let depth = outer.length - 1; depth >= 0; depth--) {
    const around = outer[depth]!;
    around.set(path[depth]!, container.toText());
    container = around;
  }
  return container.toText();
}

/** The segments of a JSON Pointer (RFC 6901); undefined for a text that is none. */
export function pointerSegments(pointer: string): string[] | undefined {
  if (pointer === "") return [];
  if (!pointer.startsWith("/") || /~(?![01])/.test(pointer)) return undefined;
  return pointer
    .slice(1)
    .split("/")
    .map((segment) => segment.replaceAll("~1", "/").replaceAll("~0", "~"));
}
