import { NATIVE_BUILTINS } from "./native-builtin-names.ts";
import { OP } from "./wasm-code.ts";
import { appended, functionBodies, functionNames, importedFunctions } from "./wasm-functions.ts";
import {
  GLOBAL_KIND,
  I32,
  MUTABLE,
  named,
  readSections,
  readUnsigned,
  readVector,
  replaceSections,
  SECTION,
  type Section,
  signed,
  unsigned,
} from "./wasm-sections.ts";

/** The name under which {@link exposeNativeFailures} exports which builtin has failed. */
export const NATIVE_FAILURE = "__native_failure";

interface NativeFunction {
  readonly builtin: string;
  /** Its place among the functions that the module defines. */
  readonly position: number;
}

/**
 * Lets a policy module say that one of the builtins which it brings itself has failed: they answer 0 for what
 * OPA calls an error, and the module takes that for undefined, so that nobody could tell when errors are to be
 * strict. Each such function's body moves to a new function at the end, and calls that; when the answer is 0, the
 * function's number goes into a new global, unless one is there already.
 *
 * The answer's `builtins` has the name for each number, which begin with 1. A module without the names of its
 * functions is returned as it is, and without any. It may rest on the way.
 */
export function* exposeNativeFailures(
  module: Uint8Array,
): Generator<undefined, { module: Uint8Array; builtins: readonly string[] }> {
  const sections = readSections(module);
  const find = (id: number): Section | undefined => sections.find((section) => section.id === id);
  const [types, imports, functions, globals, exports, code] = (
    ["type", "import", "function", "global", "export", "code"] as const
  ).map((name) => find(SECTION[name]));
  const unchanged = { module, builtins: [] };
  if (!types || !imports || !functions || !globals || !exports || !code) return unchanged;
  const imported = importedFunctions(module, imports)?.length;
  if (imported === undefined) return unchanged;
  const native = nativeFunctions(module, sections, imported);
  if (native.length === 0) return unchanged;
  yield;

  const arities = readTypes(module, types);
  const typeOf = readVector(module, functions.start, (at) => readUnsigned(module, at).next).map(
    ({ start }) => readUnsigned(module, start).value,
  );
  const bodies = functionBodies(module, code);
  const global = readUnsigned(module, globals.start).value;
  yield;

  const texts = bodies.map(({ start, end }) => module.subarray(start, end));
  const moved = native.map(({ position }) => texts[position]!);
  for (const [index, { position }] of native.entries()) {
    const target = imported + bodies.length + index;
    texts[position] = wrapper(arities[typeOf[position]!]!, target, index + 1, global);
  }
  const added = native.flatMap(({ position }) => unsigned(typeOf[position]!));
  const contents = new Map([
    [functions, appended(module, functions, added, native.length)],
    [globals, appended(module, globals, [I32, MUTABLE, OP.const, 0, OP.end], 1)],
    [
      exports,
      appended(module, exports, [...named(NATIVE_FAILURE), GLOBAL_KIND, ...unsigned(global)], 1),
    ],
    [
      code,
      Buffer.concat([Uint8Array.from(unsigned(texts.length + moved.length)), ...texts, ...moved]),
    ],
  ]);
  return {
    module: replaceSections(module, contents),
    builtins: native.map(({ builtin }) => builtin),
  };
}

/** Calls the moved function, and notes its number when it answers 0. */
function wrapper(arity: number, target: number, number: number, global: number): Uint8Array {
  const answer = unsigned(arity);
  const body = [
    // One local, for the answer.
    [1, 1, I32],
    ...Array.from({ length: arity }, (_, index) => [OP.localGet, ...unsigned(index)]),
    [OP.call, ...unsigned(target), OP.localTee, ...answer, OP.eqz],
    [OP.globalGet, ...unsigned(global), OP.eqz, OP.and, OP.if, OP.noResult],
    [OP.const, ...signed(number), OP.globalSet, ...unsigned(global), OP.end],
    [OP.localGet, ...answer, OP.end],
  ].flat();
  return Uint8Array.from([...unsigned(body.length), ...body]);
}

/** How many arguments each type of function takes; all of OPA's builtins deal in i32. */
function readTypes(module: Uint8Array, section: Section): number[] {
  return readVector(module, section.start, (at) => {
    const parameters = readUnsigned(module, at + 1);
    const results = readUnsigned(module, parameters.next + parameters.value);
    return results.next + results.value;
  }).map(({ start }) => readUnsigned(module, start + 1).value);
}

function nativeFunctions(
  module: Uint8Array,
  sections: readonly Section[],
  imported: number,
): NativeFunction[] {
  return [...functionNames(module, sections)].flatMap(([index, name]) => {
    const builtin = NATIVE_BUILTINS.get(name);
    return builtin === undefined ? [] : [{ builtin, position: index - imported }];
  });
}
