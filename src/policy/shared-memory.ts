import {
  readSections,
  readUnsigned,
  readVector,
  replaceSections,
  SECTION,
  unsigned,
} from "./wasm-sections.ts";

const FUNCTION = 0;
const TABLE = 1;
const MEMORY = 2;
const HAS_MOST = 1;
/** Shared memories name the most that they may have. */
const SHARED_WITH_MOST = 3;
const MOST_PAGES = 65_536;
const PAGE_BYTES = 65_536;

/** A module that takes a shared memory, and how many bytes of it are its own from the start. */
export interface SharingModule {
  readonly module: Uint8Array;
  readonly staticBytes: number;
}

/**
 * Makes a module take a shared memory in the place of a plain one. Nothing is shared; but V8 counts the bytes of
 * plain memories as its heap's, reserved or not, and collects all garbage whenever one of some gigabytes is made or
 * grows, while every decision waits. Code that knows nothing of threads runs on either.
 * Format: WebAssembly Core Specification, sections 5.3.8 and 5.5.5, with the threads proposal's limits.
 */
export function withSharedMemory(module: Uint8Array): SharingModule {
  const imports = readSections(module).find(({ id }) => id === SECTION.import);
  if (imports === undefined) return { module, staticBytes: 0 };
  const found: { start: number; end: number; pages: number }[] = [];
  readVector(module, imports.start, (at) => {
    const kindAt = skipName(module, skipName(module, at));
    const kind = module[kindAt];
    if (kind === FUNCTION) return readUnsigned(module, kindAt + 1).next;
    if (kind === TABLE) return limitsAt(module, kindAt + 2).next;
    // What is left is a global: its type, and whether it can change.
    if (kind !== MEMORY) return kindAt + 3;
    const { next, least } = limitsAt(module, kindAt + 1);
    found.push({ start: kindAt + 1, end: next, pages: least });
    return next;
  });
  const [memory] = found;
  if (memory === undefined) return { module, staticBytes: 0 };
  const content = Buffer.concat([
    module.subarray(imports.start, memory.start),
    Uint8Array.from([SHARED_WITH_MOST, ...unsigned(memory.pages), ...unsigned(MOST_PAGES)]),
    module.subarray(memory.end, imports.end),
  ]);
  return {
    module: replaceSections(module, new Map([[imports, content]])),
    staticBytes: memory.pages * PAGE_BYTES,
  };
}

function skipName(module: Uint8Array, at: number): number {
  const { value, next } = readUnsigned(module, at);
  return next + value;
}

function limitsAt(module: Uint8Array, at: number): { least: number; next: number } {
  const least = readUnsigned(module, at + 1);
  const hasMost = ((module[at] ?? 0) & HAS_MOST) !== 0;
  const { next } = hasMost ? readUnsigned(module, least.next) : least;
  return { least: least.value, next };
}
