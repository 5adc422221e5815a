import { changeInside, JsonContainer, pointerSegments } from "../common/json-edit.ts";
import { isDeeperThan, MAX_JSON_DEPTH } from "../common/json-text.ts";
import { BridgeError } from "../errors.ts";
import type { Maskable } from "./event.ts";

/** One change that the mask policy asks for, as OPA has it: a pointer into one of the parts. */
interface MaskRule {
  readonly op: "remove" | "upsert";
  readonly pointer: string;
  readonly part: "input" | "result" | "nd_builtin_cache";
  /** Inside of the part; none for the whole of it. */
  readonly path: readonly string[];
  /** JSON text. */
  readonly value: string;
}

/**
 * Reads what the mask policy answered: pointers, which are removed, and `{"op", "path", "value"}` objects.
 * `DECISION_MASK` when anything in it is no mask: nothing of an event may be shown then.
 */
export function parseMaskRules(text: string): readonly MaskRule[] {
  const container = JsonContainer.open(text);
  if (container === undefined || !container.isArray) {
    throw maskError("a list or a set of masks is expected");
  }
  const rules: MaskRule[] = [];
  for (let index = 0; ; index++) {
    const item = container.get(String(index));
    if (item === undefined) return rules;
    rules.push(parseRule(item));
  }
}

function parseRule(text: string): MaskRule {
  const parsed: unknown = JSON.parse(text);
  if (typeof parsed === "string") return rule("remove", parsed, "null");
  const fields = JsonContainer.open(text);
  if (fields === undefined || fields.isArray)
    throw maskError("a mask is a pointer, or an object with op and path");
  const { op, path } = parsed as { op?: unknown; path?: unknown };
  if (op !== "remove" && op !== "upsert") {
    throw maskError('a mask\'s op must be "remove" or "upsert"');
  }
  return rule(op, path, fields.get("value") ?? "null");
}

function rule(op: MaskRule["op"], pointer: unknown, value: string): MaskRule {
  const segments = typeof pointer === "string" ? pointerSegments(pointer) : undefined;
  const [part, ...path] = segments ?? [];
  if (typeof pointer !== "string" || segments === undefined) {
    throw maskError("a mask's path must be a JSON pointer");
  }
  if (part !== "input" && part !== "result" && part !== "nd_builtin_cache") {
    throw maskError("a mask's path must be in /input, /result or /nd_builtin_cache");
  }
  if (path.length > MAX_JSON_DEPTH || isDeeperThan(value, MAX_JSON_DEPTH)) {
    throw maskError(`a mask is nested deeper than ${MAX_JSON_DEPTH} levels`);
  }
  return { op, pointer, part, path, value };
}

// The answer itself is not quoted: it may hold parts of the event.
function maskError(what: string): BridgeError {
  return new BridgeError("DECISION_MASK", `The mask policy's answer can't be used: ${what}.`);
}

/** The event's content with the masks applied, one after the other. What a mask doesn't find, it leaves, as in OPA. */
export function applyMasks(content: Maskable, rules: readonly MaskRule[]): Maskable {
  const texts = {
    input: content.input,
    result: content.result,
    nd_builtin_cache: content.builtinAnswers,
  };
  const erased = [...content.erased];
  const masked = [...content.masked];
  for (const { op, part, path, pointer, value } of rules) {
    const text = texts[part];
    if (text === undefined) continue;
    if (path.length === 0) texts[part] = op === "remove" ? undefined : value;
    else {
      const changed = changedText(text, op, path, value);
      if (changed === undefined) continue;
      texts[part] = changed;
    }
    (op === "remove" ? erased : masked).push(pointer);
  }
  const { input, result, nd_builtin_cache: builtinAnswers } = texts;
  return { input, result, builtinAnswers, erased, masked };
}

function changedText(
  text: string,
  op: MaskRule["op"],
  path: readonly string[],
  value: string,
): string | undefined {
  const parent = path.slice(0, -1);
  const last = path.at(-1)!;
  return op === "remove"
    ? changeInside(text, parent, (container) => container.remove(last))
    : changeInside(text, parent, (container) => container.set(last, value), { create: true });
}
