import { eachInstruction, firstInstruction, OP } from "./wasm-code.ts";
import {
  appended,
  exportedFunction,
  functionBodies,
  functionNames,
  importedFunctions,
} from "./wasm-functions.ts";
import {
  GLOBAL_KIND,
  I32,
  MUTABLE,
  named,
  readSections,
  readUnsigned,
  replaceSections,
  SECTION,
  type Section,
  signed,
  unsigned,
} from "./wasm-sections.ts";

/** The name under which {@link meterWork} exports how many steps are left before the host is asked. */
export const STEPS_LEFT = "__steps_left";

/** The import that is called with one of {@link ASKS} in the place of a message's address. */
const HOOK = "opa_abort";

/** What a metered module tells its host. */
export const ASKS = {
  /** Its steps are used up, or it is about to give out a large block of memory. */
  more: 0,
  /** It writes an element of a set as JSON: in the order of its hash table, where OPA sorts. */
  element: 1,
} as const;

/** Writes one element of a set as JSON. */
const SET_WRITER = "opa_json_writer_emit_set_element";
/** A request for so many bytes asks the host whatever is left. */
const LARGE_BLOCK = 65_536;
/** Calls without steps of their own may fan out to so many before they get one. */
const FREE_CALLS = 256;
/** Work before the host can be asked: what a module does while it is instantiated. */
const FIRST_STEPS = 2 ** 30;

/**
 * Functions that look at one value or text once, in time proportional to it, and are most of what a decision
 * does. They take no steps of their own: their callers do, and they themselves where they go one level deeper, as a
 * value that holds another one many times takes little memory and no end of time.
 */
const LINEAR =
  /^(?:opa_value_(?:compare|hash|get|iter)|opa_object_get|__opa_object_(?:insert|grow)|opa_json_lex_\w+|opa_strlen|opa_strncmp|mem(?:cpy|move|set|cmp)|str(?:len|n?cmp))$/;

interface FunctionCode {
  /** Where its locals, its instructions, and the next function begin. */
  readonly locals: number;
  readonly first: number;
  readonly end: number;
  /** Where the insides of its loops begin; of a linear function, where it calls itself. */
  readonly turns: readonly number[];
  /** The defined functions that it calls. */
  readonly calls: readonly number[];
  readonly callsIndirectly: boolean;
  readonly linear: boolean;
}

/**
 * Makes a policy module count its steps, so that the host can end an evaluation that goes on for too long:
 * WebAssembly itself can't be interrupted. A step is one turn of a loop, or one call of a function that may lead
 * back to itself or fan out without end; so no way through the module is without steps. When they are used up,
 * `opa_abort` is called with an address that is no message's: the host lets it go on by setting the export
 * {@link STEPS_LEFT}, or ends it by throwing. It is asked before large blocks of memory are given out, too, and is
 * told of each element of a set that is written as JSON.
 *
 * Counting takes no more than a few percent of a decision's time, as the functions that are called most
 * take no steps; a module without the names of its functions counts in all of them.
 *
 * It may rest after each function. Throws a RangeError for a module that is not as OPA makes them.
 */
export function* meterWork(module: Uint8Array): Generator<undefined, Uint8Array> {
  const sections = readSections(module);
  const section = (id: number): Section => {
    const found = sections.find((candidate) => candidate.id === id);
    if (found === undefined) throw new RangeError("a section is missing");
    return found;
  };
  const [imports, globals, exports, code] = (["import", "global", "export", "code"] as const).map(
    (name) => section(SECTION[name]),
  ) as [Section, Section, Section, Section];
  const imported = importedFunctions(module, imports);
  const hook = imported?.indexOf(HOOK) ?? -1;
  if (imported === undefined || hook < 0) throw new RangeError(`it does not import ${HOOK}`);

  const global = readUnsigned(module, globals.start).value;
  const names = functionNames(module, sections);
  yield;
  const functions = yield* readFunctions(module, code, names, imported.length);
  const entries = steppingEntries(functions);
  yield;
  const malloc = (exportedFunction(module, exports, "opa_malloc") ?? -1) - imported.length;
  const call = [OP.call, ...unsigned(hook)];
  const ask = [OP.const, ASKS.more, ...call, OP.end];
  const tell = bytes([OP.const, ASKS.element, ...call]);
  const step = bytes(
    [OP.globalGet, ...unsigned(global), OP.eqz, OP.if, OP.noResult, ...ask],
    [OP.globalGet, ...unsigned(global), OP.const, 1, OP.subtract],
    [OP.globalSet, ...unsigned(global)],
  );
  const large = bytes(
    [OP.localGet, 0, OP.const, ...signed(LARGE_BLOCK), OP.atLeastUnsigned],
    [OP.if, OP.noResult, ...ask],
  );

  const parts: Uint8Array[] = [Uint8Array.from(unsigned(functions.length))];
  for (const [position, { locals, first, end, turns }] of functions.entries()) {
    const body: Uint8Array[] = [module.subarray(locals, first)];
    if (position === malloc) body.push(step, large);
    else if (entries.has(position)) body.push(step);
    if (names.get(position + imported.length) === SET_WRITER) body.push(tell);
    let at = first;
    for (const turn of turns) {
      body.push(module.subarray(at, turn), step);
      at = turn;
    }
    body.push(module.subarray(at, end));
    const length = body.reduce((sum, part) => sum + part.length, 0);
    parts.push(Uint8Array.from(unsigned(length)), ...body);
    yield;
  }
  const counter = [I32, MUTABLE, OP.const, ...signed(FIRST_STEPS), OP.end];
  const name = [...named(STEPS_LEFT), GLOBAL_KIND, ...unsigned(global)];
  return replaceSections(
    module,
    new Map([
      [globals, appended(module, globals, counter, 1)],
      [exports, appended(module, exports, name, 1)],
      [code, Buffer.concat(parts)],
    ]),
  );
}

function bytes(...parts: readonly number[][]): Uint8Array {
  return Uint8Array.from(parts.flat());
}

function* readFunctions(
  module: Uint8Array,
  code: Section,
  names: ReadonlyMap<number, string>,
  imported: number,
): Generator<undefined, FunctionCode[]> {
  const functions: FunctionCode[] = [];
  for (const [position, { start, end }] of functionBodies(module, code).entries()) {
    const locals = readUnsigned(module, start).next;
    const first = firstInstruction(module, locals);
    const linear = LINEAR.test(names.get(position + imported) ?? "");
    const turns: number[] = [];
    const calls: number[] = [];
    let callsIndirectly = false;
    eachInstruction(module, first, end, (op, at, next) => {
      if (op === OP.loop && !linear) turns.push(next);
      else if (op === OP.callIndirect) callsIndirectly = true;
      else if (op === OP.call) {
        const target = readUnsigned(module, at + 1).value - imported;
        if (target >= 0) calls.push(target);
        if (target === position && linear) turns.push(at);
      }
    });
    functions.push({ locals, first, end, turns, calls, callsIndirectly, linear });
    yield;
  }
  return functions;
}

/**
 * The functions that take a step when they are called: enough for every circle of calls to go through one, and
 * for what a call leads to without a step to be no more than a few hundred calls.
 */
function steppingEntries(functions: readonly FunctionCode[]): ReadonlySet<number> {
  const stepping = new Set<number>();
  const [open, done] = [new Set<number>(), new Set<number>()];
  /** How many calls each leads to without a step. */
  const free = new Map<number, number>();
  const visit = (position: number): void => {
    const { calls, callsIndirectly, linear } = functions[position]!;
    if (linear) return;
    open.add(position);
    let sum = 1;
    for (const target of calls) {
      if (open.has(target)) stepping.add(target);
      else if (!done.has(target)) visit(target);
      sum += stepping.has(target) ? 1 : (free.get(target) ?? 1);
    }
    // Where an indirect call leads can't be seen.
    if (callsIndirectly || sum > FREE_CALLS) stepping.add(position);
    free.set(position, sum);
    open.delete(position);
    done.add(position);
  };
  for (const position of functions.keys()) if (!done.has(position)) visit(position);
  return stepping;
}
