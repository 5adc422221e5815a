/** The parts of a WebAssembly module's binary format (WebAssembly Core Specification, section 5.5) that are edited. */
export const SECTION = {
  custom: 0,
  import: 2,
  function: 3,
  type: 1,
  global: 6,
  export: 7,
  code: 10,
} as const;

export const I32 = 0x7f;
export const MUTABLE = 1;
/** What an export is of. */
export const GLOBAL_KIND = 3;

const HEADER_LENGTH = 8;

export interface Section {
  readonly id: number;
  /** Where the section, its content, and the next section begin. */
  readonly header: number;
  readonly start: number;
  readonly end: number;
}

export function readSections(module: Uint8Array): Section[] {
  const sections: Section[] = [];
  for (let header = HEADER_LENGTH; header < module.length;) {
    const size = readUnsigned(module, header + 1);
    const end = size.next + size.value;
    sections.push({ id: module[header]!, header, start: size.next, end });
    header = end;
  }
  return sections;
}

/** The module with other contents in the place of these sections'. */
export function replaceSections(
  module: Uint8Array,
  contents: ReadonlyMap<Section, Uint8Array>,
): Uint8Array {
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const [section, content] of contents) {
    parts.push(
      module.subarray(at, section.header),
      Uint8Array.from([section.id, ...unsigned(content.length)]),
      content,
    );
    at = section.end;
  }
  return Buffer.concat([...parts, module.subarray(at)]);
}

/** LEB128. */
export function readUnsigned(bytes: Uint8Array, at: number): { value: number; next: number } {
  let value = 0;
  for (let factor = 1; ; factor *= 128) {
    const byte = bytes[at++] ?? 0;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return { value, next: at };
  }
}

export function unsigned(value: number): number[] {
  const bytes: number[] = [];
  for (; value >= 0x80; value = Math.floor(value / 128)) bytes.push((value % 128) | 0x80);
  return [...bytes, value];
}

/** A name: its length, then its bytes. */
export function named(name: string): number[] {
  const bytes = Buffer.from(name);
  return [...unsigned(bytes.length), ...bytes];
}

/** The entries of a vector whose items `skip` knows the ends of: where each begins and ends. */
export function readVector(
  bytes: Uint8Array,
  at: number,
  skip: (at: number) => number,
): { start: number; end: number }[] {
  const count = readUnsigned(bytes, at);
  if (count.value > bytes.length) throw new RangeError("a vector longer than the module");
  let start = count.next;
  return Array.from({ length: count.value }, () => {
    const entry = { start, end: skip(start) };
    start = entry.end;
    return entry;
  });
}

/** Signed LEB128, of a number that is not negative. */
export function signed(number: number): number[] {
  const bytes: number[] = [];
  for (; number >= 0x40; number >>= 7) bytes.push((number & 0x7f) | 0x80);
  return [...bytes, number];
}
