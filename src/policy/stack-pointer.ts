import { appended } from "./wasm-functions.ts";
import {
  GLOBAL_KIND,
  I32,
  MUTABLE,
  named,
  readSections,
  readUnsigned,
  replaceSections,
  SECTION,
} from "./wasm-sections.ts";

/** The name under which {@link exposeStackPointer} exports the module's stack pointer. */
export const STACK_POINTER = "__stack_pointer";

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
  const globals = sections.find(({ id }) => id === SECTION.global);
  const exports = sections.find(({ id }) => id === SECTION.export);
  if (globals === undefined || exports === undefined) return module;
  const first = readUnsigned(module, globals.start).next;
  if (module[first] !== I32 || module[first + 1] !== MUTABLE) return module;

  const content = appended(module, exports, [...named(STACK_POINTER), GLOBAL_KIND, 0], 1);
  return replaceSections(module, new Map([[exports, content]]));
}
