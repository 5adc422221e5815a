/** The name under which {@link exposeStackPointer} exports the module's stack pointer. */
export const STACK_POINTER = "__stack_pointer";

const GLOBAL_SECTION = 6;
const EXPORT_SECTION = 7;
const HEADER_LENGTH = 8;
const I32 = 0x7f;
const MUTABLE = 1;
const GLOBAL_KIND = 3;

/**
 * Adds an export of the stack pointer to a module that `opa build` made.
 *
 * When an evaluation is aborted from within (`opa_abort`, a trap, an exception of the host), C frames are left
 * without putting the module's own stack pointer back: 16 bytes and more are lost each time, and after some
 * 4,000 aborts the 64 KiB stack is gone and every later evaluation traps. With the export, the pointer can be
 * put back. LLVM makes it the first global, mutable and of type i32; any other module is returned as it is.
 * Format: WebAssembly Core Specification, section 5.5.
 */
export function exposeStackPointer(module: Uint8Array): Uint8Array {
  const sections = readSections(module);
  const globals = sections.find(({ id }) => id === GLOBAL_SECTION);
  const exports = sections.find(({ id }) => id === EXPORT_SECTION);
  if (globals === undefined || exports === undefined) return module;
  const first = readUnsigned(module, globals.start).next;
  if (module[first] !== I32 || module[first + 1] !== MUTABLE) return module;

  const count = readUnsigned(module, exports.start);
  const name = new TextEncoder().encode(STACK_POINTER);
  const content = [
    ...unsigned(count.value + 1),
    ...module.subarray(count.next, exports.end),
    ...unsigned(name.length),
    ...name,
    GLOBAL_KIND,
    0,
  ];
  return Buffer.concat([
    module.subarray(0, exports.header),
    Uint8Array.from([EXPORT_SECTION, ...unsigned(content.length), ...content]),
    module.subarray(exports.end),
  ]);
}

interface Section {
  readonly id: number;
  /** Where the section, its content, and the next section begin. */
  readonly header: number;
  readonly start: number;
  readonly end: number;
}

function readSections(module: Uint8Array): Section[] {
  const sections: Section[] = [];
  for (let header = HEADER_LENGTH; header < module.length;) {
    const size = readUnsigned(module, header + 1);
    const end = size.next + size.value;
    sections.push({ id: module[header]!, header, start: size.next, end });
    header = end;
  }
  return sections;
}

/** LEB128. */
function readUnsigned(bytes: Uint8Array, at: number): { value: number; next: number } {
  let value = 0;
  for (let factor = 1; ; factor *= 128) {
    const byte = bytes[at++] ?? 0;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return { value, next: at };
  }
}

function unsigned(value: number): number[] {
  const bytes: number[] = [];
  for (; value >= 0x80; value = Math.floor(value / 128)) bytes.push((value % 128) | 0x80);
  return [...bytes, value];
}
