import { readUnsigned, readVector, SECTION, type Section, unsigned } from "./wasm-sections.ts";

const FUNCTION_IMPORT = 0;
const MEMORY_IMPORT = 2;
const FUNCTION_EXPORT = 0;
const FUNCTION_NAMES = 1;

/**
 * The names of the functions that a module imports, in order, which are its first functions. Undefined when it
 * imports anything but functions and memory, as no module of OPA does.
 */
export function importedFunctions(module: Uint8Array, section: Section): string[] | undefined {
  const names: string[] = [];
  let simple = true;
  readVector(module, section.start, (at) => {
    const name = endOfText(module, at);
    const kind = endOfText(module, name);
    if (module[kind] === FUNCTION_IMPORT) {
      names.push(textAt(module, name));
      return readUnsigned(module, kind + 1).next;
    }
    // A memory has limits, of which the second may be absent.
    if (module[kind] !== MEMORY_IMPORT) simple = false;
    const least = readUnsigned(module, kind + 2);
    return module[kind + 1] === 0 ? least.next : readUnsigned(module, least.next).next;
  });
  return simple ? names : undefined;
}

/** The number of the function that is exported under a name. */
export function exportedFunction(
  module: Uint8Array,
  section: Section,
  name: string,
): number | undefined {
  let found: number | undefined;
  readVector(module, section.start, (at) => {
    const kind = endOfText(module, at);
    const index = readUnsigned(module, kind + 1);
    if (module[kind] === FUNCTION_EXPORT && textAt(module, at) === name) found = index.value;
    return index.next;
  });
  return found;
}

/** What the module's custom section of names calls its functions, by number; nothing where it has none. */
export function functionNames(
  module: Uint8Array,
  sections: readonly Section[],
): ReadonlyMap<number, string> {
  const found = new Map<number, string>();
  const names = sections.find(
    ({ id, start }) => id === SECTION.custom && textAt(module, start) === "name",
  );
  if (names === undefined) return found;
  for (let at = endOfText(module, names.start); at < names.end;) {
    const size = readUnsigned(module, at + 1);
    if (module[at] === FUNCTION_NAMES) {
      readVector(module, size.next, (entry) => {
        const index = readUnsigned(module, entry);
        found.set(index.value, textAt(module, index.next));
        return endOfText(module, index.next);
      });
    }
    at = size.next + size.value;
  }
  return found;
}

/** Where the code of each function that a module defines begins and ends, its size included. */
export function functionBodies(
  module: Uint8Array,
  code: Section,
): { readonly start: number; readonly end: number }[] {
  return readVector(module, code.start, (at) => endOfText(module, at));
}

/** A vector with entries added at its end, as a section's content. */
export function appended(
  module: Uint8Array,
  section: Section,
  added: readonly number[],
  count: number,
): Uint8Array {
  const old = readUnsigned(module, section.start);
  return Buffer.concat([
    Uint8Array.from(unsigned(old.value + count)),
    module.subarray(old.next, section.end),
    Uint8Array.from(added),
  ]);
}

function textAt(module: Uint8Array, at: number): string {
  const length = readUnsigned(module, at);
  return Buffer.from(module.subarray(length.next, length.next + length.value)).toString("utf8");
}

/** What begins with its own length. */
function endOfText(module: Uint8Array, at: number): number {
  const length = readUnsigned(module, at);
  return length.next + length.value;
}
