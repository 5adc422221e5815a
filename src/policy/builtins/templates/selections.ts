import { goText } from "../go-text.ts";
import { RegoNumber, RegoObject, type Value } from "../value.ts";
import type { Budget } from "./budget.ts";
import { GoByte, type GoValue, isList, textOf, typeOf } from "./values.ts";

/** `len`. */
export function length(value: GoValue, budget: Budget): bigint {
  if (value === null) throw new Error("len of nil pointer");
  if (value === undefined) throw new Error("reflect: call of reflect.Value.Type on zero Value");
  if (value instanceof RegoObject) return BigInt(value.size);
  if (isList(value)) return BigInt(value.length);
  const text = textOf(value);
  if (text === undefined) throw new Error(`len of type ${typeOf(value)}`);
  return BigInt(bytesOf(text, budget).length);
}

/** Go counts and cuts texts by the bytes of UTF-8. */
function bytesOf(text: string, budget: Budget): Buffer {
  budget.spendText(text.length);
  return Buffer.from(text);
}

/** `index`: an item of an item, and so on. */
export function index([first, ...indexes]: readonly GoValue[], budget: Budget): GoValue {
  let item = first;
  if (item === undefined || item === null) throw new Error("index of untyped nil");
  for (const at of indexes) {
    if (item === null) throw new Error("index of nil pointer");
    if (item instanceof RegoObject) {
      // A key that is not there gives what would be there: nothing, as `null` is.
      item = item.get(keyOf(at, budget)) ?? null;
      continue;
    }
    const text = textOf(item);
    if (text === undefined && !isList(item))
      throw new Error(`can't index item of type ${typeOf(item)}`);
    const list: Buffer | readonly GoValue[] =
      text === undefined ? (item as readonly GoValue[]) : bytesOf(text, budget);
    const position = positionOf(at ?? undefined, list.length);
    const found: GoValue = list[position];
    if (found === undefined) {
      throw new Error(`reflect: ${text === undefined ? "slice" : "string"} index out of range`);
    }
    item = text === undefined ? found : new GoByte(found as number);
  }
  return item;
}

function keyOf(value: GoValue, budget: Budget): string {
  if (typeof value === "string") {
    budget.spendText(value.length);
    return value;
  }
  if (value === undefined || value === null)
    throw new Error("value is nil; should be of type string");
  throw new Error(`value has type ${typeOf(value)}; should be string`);
}

function positionOf(value: GoValue, most: number): number {
  if (value === undefined) throw new Error("cannot index slice/array with nil");
  const position = value instanceof GoByte ? BigInt(value.code) : value;
  if (typeof position !== "bigint") {
    throw new Error(`cannot index slice/array with type ${typeOf(value)}`);
  }
  if (position < 0n || position > BigInt(most)) throw new Error(`index out of range: ${position}`);
  return Number(position);
}

/** `slice`: a part. A list has no room behind its end here, though Go's often have. */
export function slice([item, ...indexes]: readonly GoValue[], budget: Budget): GoValue {
  if (item === undefined || item === null) throw new Error("slice of untyped nil");
  if (indexes.length > 3) throw new Error(`too many slice indexes: ${indexes.length}`);
  const text = textOf(item);
  if (text !== undefined && indexes.length === 3) throw new Error("cannot 3-index slice a string");
  if (text === undefined && !isList(item))
    throw new Error(`can't slice item of type ${typeOf(item)}`);
  const whole = text === undefined ? (item as readonly GoValue[]) : bytesOf(text, budget);
  const positions = indexes.map((at) => positionOf(at, whole.length));
  const [from = 0, to = whole.length, most = whole.length] = positions;
  if (from > to) throw new Error(`invalid slice index: ${from} > ${to}`);
  if (to > most) throw new Error(`invalid slice index: ${to} > ${most}`);
  budget.spendText(to - from);
  if (Buffer.isBuffer(whole)) {
    const part = goText(whole.subarray(from, to));
    return item instanceof RegoNumber ? new RegoNumber(part) : part;
  }
  return whole.slice(from, to) as readonly Value[];
}
