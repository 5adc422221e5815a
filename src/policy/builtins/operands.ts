import { kindOf, type Kind, RegoNumber, type RegoObject, RegoSet, type Value } from "./value.ts";

/** An argument of the wrong kind, in OPA's words. */
export class OperandError extends Error {}

/** Says that an argument should be one of these kinds. Positions count from 1. */
export function wrongKind(position: number, value: Value, ...expected: string[]): OperandError {
  const kinds = expected.length === 1 ? expected[0]! : `one of {${expected.join(", ")}}`;
  return new OperandError(`operand ${position} must be ${kinds} but got ${kindOf(value)}`);
}

/** Says that a composite argument should have other elements. */
export function wrongElement(
  position: number,
  composite: Value,
  element: Value,
  ...expected: string[]
): OperandError {
  const kind = kindOf(composite);
  const kinds = expected.length === 1 ? `${expected[0]!}s` : `(any of) {${expected.join(", ")}}`;
  return new OperandError(
    `operand ${position} must be ${kind} of ${kinds} but got ${kind} containing ${kindOf(element)}`,
  );
}

/** Says that an argument should be one of these values. */
export function wrongChoice(position: number, ...expected: string[]): OperandError {
  const choice = expected.length === 1 ? expected[0]! : `one of {${expected.join(", ")}}`;
  return new OperandError(`operand ${position} must be ${choice}`);
}

/** The arguments of one call, each asked for as what it should be; throws an {@link OperandError} otherwise. */
export class Operands {
  readonly #values: readonly Value[];

  constructor(values: readonly Value[]) {
    this.#values = values;
  }

  any(position: number): Value {
    return this.#values[position - 1] ?? null;
  }

  string(position: number): string {
    return this.#of(position, "string") as string;
  }

  boolean(position: number): boolean {
    return this.#of(position, "boolean") as boolean;
  }

  array(position: number): readonly Value[] {
    return this.#of(position, "array") as readonly Value[];
  }

  object(position: number): RegoObject {
    return this.#of(position, "object") as RegoObject;
  }

  set(position: number): RegoSet {
    return this.#of(position, "set") as RegoSet;
  }

  number(position: number): RegoNumber {
    return this.#of(position, "number") as RegoNumber;
  }

  /** A whole number of any size. */
  bigint(position: number): bigint {
    const value = this.any(position);
    if (!(value instanceof RegoNumber)) throw wrongKind(position, value, "integer");
    return integerOf(position, value);
  }

  /** A whole number that JavaScript can count with. */
  int(position: number): number {
    const integer = integerOf(position, this.number(position));
    const number = Number(integer);
    if (!Number.isSafeInteger(number)) {
      throw new OperandError(`operand ${position} must be integer number but got ${integer}`);
    }
    return number;
  }

  /** The strings of an array or a set. */
  strings(position: number): readonly string[] {
    const value = this.any(position);
    return elementsOf(position, value).map((item) => {
      if (typeof item === "string") return item;
      throw wrongElement(position, value, item, "string");
    });
  }

  #of(position: number, kind: Kind): Value {
    const value = this.any(position);
    if (kindOf(value) === kind) return value;
    throw wrongKind(position, value, kind);
  }
}

/** The elements of an array or a set. */
export function elementsOf(position: number, value: Value): readonly Value[] {
  if (value instanceof RegoSet) return value.values;
  if (kindOf(value) === "array") return value as readonly Value[];
  throw wrongKind(position, value, "array", "set");
}

function integerOf(position: number, value: RegoNumber): bigint {
  const { integer } = value;
  if (integer !== undefined) return integer;
  throw new OperandError(
    `operand ${position} must be integer number but got floating-point number`,
  );
}
