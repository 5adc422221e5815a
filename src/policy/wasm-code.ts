import { readUnsigned } from "./wasm-sections.ts";

/** The instructions that are looked for or written. */
export const OP = {
  loop: 0x03,
  if: 0x04,
  end: 0x0b,
  call: 0x10,
  callIndirect: 0x11,
  localGet: 0x20,
  localTee: 0x22,
  globalGet: 0x23,
  globalSet: 0x24,
  const: 0x41,
  eqz: 0x45,
  atLeastUnsigned: 0x4f,
  subtract: 0x6b,
  and: 0x71,
  noResult: 0x40,
} as const;

type Skip = (code: Uint8Array, at: number) => number;

const none: Skip = (_, at) => at;
/** One number in LEB128, signed or not: both end with the first byte below 128. */
const number: Skip = (code, at) => {
  while ((code[at++] ?? 0) >= 0x80);
  return at;
};
const numbers: Skip = (code, at) => number(code, number(code, at));
const vector: Skip = (code, at) => {
  const { value, next } = readUnsigned(code, at);
  let end = next;
  for (let index = 0; index < value && end < code.length; index++) end = number(code, end);
  return end;
};
const prefixed: Skip = (code, at) => {
  const { value, next } = readUnsigned(code, at);
  const skip = EXTENDED[value];
  if (skip === undefined) throw unknown(`0xfc ${value}`);
  return skip(code, next);
};

/** What follows each instruction, by its code: WebAssembly 2.0 without vectors, which OPA does not use. */
const OPERANDS: (Skip | undefined)[] = [];
/** The same for those that begin with 0xfc: conversions that saturate, and bulk memory. */
const EXTENDED: (Skip | undefined)[] = [
  ...Array.from({ length: 8 }, () => none),
  numbers,
  number,
  numbers,
  number,
  numbers,
  number,
  numbers,
  number,
  number,
  number,
];

function define(first: number, last: number, skip: Skip): void {
  for (let code = first; code <= last; code++) OPERANDS[code] = skip;
}

define(0x00, 0x01, none);
define(0x02, 0x04, number);
define(0x05, 0x05, none);
define(0x0b, 0x0b, none);
define(0x0c, 0x0d, number);
define(0x0e, 0x0e, (code, at) => number(code, vector(code, at)));
define(0x0f, 0x0f, none);
define(0x10, 0x10, number);
define(0x11, 0x11, numbers);
define(0x1a, 0x1b, none);
define(0x1c, 0x1c, vector);
define(0x20, 0x26, number);
define(0x28, 0x3e, numbers);
define(0x3f, 0x42, number);
define(0x43, 0x43, (_, at) => at + 4);
define(0x44, 0x44, (_, at) => at + 8);
define(0x45, 0xc4, none);
define(0xd0, 0xd0, number);
define(0xd1, 0xd1, none);
define(0xd2, 0xd2, number);
define(0xfc, 0xfc, prefixed);

/** Where a function's instructions begin: after its locals. */
export function firstInstruction(code: Uint8Array, body: number): number {
  const groups = readUnsigned(code, body);
  let at = groups.next;
  for (let index = 0; index < groups.value; index++) at = number(code, at) + 1;
  return at;
}

/**
 * Calls `visit` with each instruction of a function: its code, where it begins, and where the next one does.
 * Throws a RangeError for an instruction that is not known.
 */
export function eachInstruction(
  code: Uint8Array,
  start: number,
  end: number,
  visit: (op: number, at: number, next: number) => void,
): void {
  for (let at = start; at < end;) {
    const op = code[at]!;
    const skip = OPERANDS[op];
    if (skip === undefined) throw unknown(`0x${op.toString(16)}`);
    const next = skip(code, at + 1);
    visit(op, at, next);
    at = next;
  }
}

function unknown(instruction: string): RangeError {
  return new RangeError(`an instruction that is not known, ${instruction}`);
}
