import { compareStrings } from "../value.ts";
import type { Budget } from "./budget.ts";
import { plainText, stringText } from "./printing.ts";
import { GoByte, type GoValue, isList, textOf, typeOf } from "./values.ts";

/** What Go's templates compare: a kind, and what it is compared by. */
type Basic =
  | readonly [kind: "bool", value: boolean]
  | readonly [kind: "string", value: string]
  | readonly [kind: "int", value: bigint]
  | readonly [kind: "float", value: number];

const BAD_TYPE = "invalid type for comparison";

/** `eq`: whether it equals one of the others. Throws for what can't be compared. */
export function isEqual(value: GoValue, others: readonly GoValue[], budget: Budget): boolean {
  if (others.length === 0) throw new Error("missing argument for comparison");
  const left = basicOf(value ?? undefined, budget);
  return others.some((other) => {
    const right = basicOf(other ?? undefined, budget);
    if (left !== undefined && right !== undefined && left[0] === right[0]) {
      return left[1] === right[1];
    }
    const [oneIsNil, otherIsNil] = [value ?? undefined, other ?? undefined].map(
      (item) => item === undefined,
    );
    if (oneIsNil || otherIsNil) return oneIsNil === otherIsNil;
    if (left !== undefined || right !== undefined || isList(value) !== isList(other)) {
      throw incompatible(value, other, left ?? right);
    }
    budget.spend(1);
    throw new Error(`non-comparable type ${stringText(other)}: ${typeOf(other)}`);
  });
}

/** `lt`. */
export function isLess(value: GoValue, other: GoValue, budget: Budget): boolean {
  const [left, right] = [basicOf(value, budget), basicOf(other, budget)];
  if (left === undefined || right === undefined) throw new Error(BAD_TYPE);
  if (left[0] !== right[0]) throw incompatible(value, other, left);
  if (left[0] === "bool") throw new Error(BAD_TYPE);
  if (left[0] === "string") return compareStrings(left[1], right[1] as string) < 0;
  return left[1] < (right[1] as (typeof left)[1]);
}

function incompatible(value: GoValue, other: GoValue, basic: Basic | undefined): Error {
  const [one, another] = [typeOf(value), typeOf(other)];
  return basic === undefined
    ? new Error(
        `non-comparable types ${stringText(value)}: ${one}, ${another}: ${plainText(other)}`,
      )
    : new Error(`incompatible types for comparison: ${one} and ${another}`);
}

/** Numbers of JSON are compared as the texts that they are. */
function basicOf(value: GoValue, budget: Budget): Basic | undefined {
  const text = textOf(value);
  if (text !== undefined) {
    budget.spendText(text.length);
    return ["string", text];
  }
  if (value instanceof GoByte) return ["int", BigInt(value.code)];
  if (typeof value === "bigint") return ["int", value];
  if (typeof value === "number") return ["float", value];
  return typeof value === "boolean" ? ["bool", value] : undefined;
}
