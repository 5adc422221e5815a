/** The first byte of an element: its class, whether it is made of others, and its number. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  numericString: 0x12,
  printableString: 0x13,
  t61String: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const;

/** The tag of a field, `[number]` in ASN.1. */
export function field(number: number, isConstructed: boolean): number {
  return 0x80 | number | (isConstructed ? 0x20 : 0);
}

export interface DerElement {
  readonly tag: number;
  /** With the tag and the length. */
  readonly whole: Buffer;
  readonly content: Buffer;
}

/** No number in a certificate is longer, in bytes; to write a long one as decimals takes long. */
const MAX_NUMBER_BYTES = 4096;

/**
 * Reads elements of DER (X.690) one after another, as strictly as Go's `cryptobyte`. Libraries read BER, of which
 * one and the same certificate has many forms; a certificate that OPA refuses must be refused here, too.
 * Everything that reads takes what is to be said of it when it isn't there.
 */
export class DerReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isEmpty(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** What has not been read. */
  get rest(): Buffer {
    return this.#bytes.subarray(this.#at);
  }

  isNext(...tags: number[]): boolean {
    return !this.isEmpty && tags.includes(this.#bytes[this.#at]!);
  }

  /** The next element, whatever it is. */
  any(problem: string): DerElement {
    const element = elementAt(this.#bytes, this.#at);
    if (element === undefined) throw new Error(problem);
    this.#at += element.whole.length;
    return element;
  }

  element(tag: number, problem: string): DerElement {
    const element = this.any(problem);
    if (element.tag !== tag) throw new Error(problem);
    return element;
  }

  /** The content of the next element. */
  content(tag: number, problem: string): Buffer {
    return this.element(tag, problem).content;
  }

  /**
   * Goes on inside the next element, if its tag is this one. How long it says it is nobody looks at; `encoding/asn1`
   * of Go reads explicit tags so.
   */
  enter(tag: number, problem: string): boolean {
    if (!this.isNext(tag)) return false;
    const header = headerAt(this.#bytes, this.#at);
    if (header === undefined || header.length === 0) throw new Error(problem);
    this.#at = header.start;
    return true;
  }

  /** The next element's elements. */
  inside(tag: number, problem: string): DerReader {
    return new DerReader(this.content(tag, problem));
  }

  sequence(problem: string): DerReader {
    return this.inside(TAG.sequence, problem);
  }

  /** An object identifier, as numbers with dots between them. None of them is larger than 31 bits. */
  oid(problem: string): string {
    const parts = oidParts(this.content(TAG.oid, problem));
    if (parts === undefined || !isSmallOid(parts)) throw new Error(problem);
    return oidText(parts);
  }

  /** An integer of any size. */
  integer(problem: string, tag: number = TAG.integer): bigint {
    const value = integerOf(this.content(tag, problem));
    if (value === undefined) throw new Error(problem);
    return value;
  }

  /** An integer of 64 bits. */
  int64(problem: string, tag: number = TAG.integer): bigint {
    const value = this.integer(problem, tag);
    if (BigInt.asIntN(64, value) !== value) throw new Error(problem);
    return value;
  }

  boolean(problem: string): boolean {
    const value = booleanOf(this.content(TAG.boolean, problem));
    if (value === undefined) throw new Error(problem);
    return value;
  }

  bits(problem: string): BitString {
    const value = bitsOf(this.content(TAG.bitString, problem));
    if (value === undefined) throw new Error(problem);
    return value;
  }
}

interface Header {
  readonly tag: number;
  /** Where the content begins. */
  readonly start: number;
  readonly length: number;
}

function headerAt(bytes: Buffer, at: number): Header | undefined {
  if (bytes.length - at < 2) return undefined;
  const tag = bytes[at]!;
  // Numbers beyond 30 take further bytes; nothing of X.509 has one.
  if ((tag & 0x1f) === 0x1f) return undefined;
  const start = at + 2;
  const length = bytes[at + 1]!;
  if (length < 0x80) return { tag, start, length };
  const size = length & 0x7f;
  if (size === 0 || size > 4 || start + size > bytes.length) return undefined;
  const long = bytes.readUIntBE(start, size);
  // There is one way to write a length: the shortest.
  if (long < 0x80 || long < 2 ** ((size - 1) * 8)) return undefined;
  return { tag, start: start + size, length: long };
}

function elementAt(bytes: Buffer, at: number): DerElement | undefined {
  const header = headerAt(bytes, at);
  if (header === undefined) return undefined;
  const { tag, start, length } = header;
  if (start + length > bytes.length) return undefined;
  return {
    tag,
    whole: bytes.subarray(at, start + length),
    content: bytes.subarray(start, start + length),
  };
}

/** The value of an INTEGER's content; undefined where it is not written as short as it can be, or too large. */
export function integerOf(content: Buffer): bigint | undefined {
  if (content.length === 0 || content.length > MAX_NUMBER_BYTES) return undefined;
  const isNegative = content[0]! >= 0x80;
  if (content.length > 1) {
    const isNextNegative = content[1]! >= 0x80;
    if ((content[0] === 0 && !isNextNegative) || (content[0] === 0xff && isNextNegative)) {
      return undefined;
    }
  }
  const value = unsigned(content);
  return isNegative ? value - (1n << BigInt(content.length * 8)) : value;
}

/** The number that bytes are, the most significant first. */
export function unsigned(bytes: Buffer): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${bytes.toString("hex")}`);
}

export function booleanOf(content: Buffer): boolean | undefined {
  if (content.length !== 1) return undefined;
  if (content[0] === 0) return false;
  return content[0] === 0xff ? true : undefined;
}

export interface BitString {
  readonly bytes: Buffer;
  readonly length: number;
}

export function bitsOf(content: Buffer): BitString | undefined {
  if (content.length === 0) return undefined;
  const padding = content[0]!;
  const last = content.length === 1 ? 0xff : content.at(-1)!;
  if (padding > 7 || (last & ((1 << padding) - 1)) !== 0) return undefined;
  return { bytes: content.subarray(1), length: (content.length - 1) * 8 - padding };
}

/** The bytes with the padding at the beginning, in the place of the end. */
export function rightAligned({ bytes, length }: BitString): Buffer {
  const padding = BigInt(bytes.length * 8 - length);
  if (padding === 0n) return bytes;
  const hex = (unsigned(bytes) >> padding).toString(16);
  return Buffer.from(hex.padStart(bytes.length * 2, "0"), "hex");
}

/** The numbers of an object identifier's content, of any size; undefined where it is none, or too long. */
export function oidParts(content: Buffer): bigint[] | undefined {
  const isWhole = content.length > 0 && content.at(-1)! < 0x80;
  const isShortest = content.every(
    (byte, at) => byte !== 0x80 || (at > 0 && content[at - 1]! >= 0x80),
  );
  return isWhole && isShortest && content.length <= MAX_NUMBER_BYTES ? readOid(content) : undefined;
}

/** The numbers that there are in what may be no object identifier; Go looks at some no closer. */
export function readOid(content: Buffer): bigint[] {
  const parts: bigint[] = [];
  for (let start = 0, at = 0; at < Math.min(content.length, MAX_NUMBER_BYTES); at++) {
    if (content[at]! >= 0x80) continue;
    parts.push(base128(content.subarray(start, at + 1)));
    start = at + 1;
  }
  const [first, ...rest] = parts;
  if (first === undefined) return [];
  return first < 80n ? [first / 40n, first % 40n, ...rest] : [2n, first - 80n, ...rest];
}

function base128(bytes: Buffer): bigint {
  if (bytes.length <= 7) {
    return BigInt(bytes.reduce((value, byte) => value * 128 + (byte & 0x7f), 0));
  }
  const bits = Array.from(bytes, (byte) => (byte & 0x7f).toString(2).padStart(7, "0"));
  return BigInt(`0b${bits.join("")}`);
}

/** Whether none of the numbers, as they are encoded, is larger than 31 bits. The first two are encoded as one. */
export function isSmallOid([first = 0n, second = 0n, ...rest]: readonly bigint[]): boolean {
  return [first * 40n + second, ...rest].every((part) => part < 2n ** 31n);
}

export function oidText(parts: readonly bigint[]): string {
  return parts.join(".");
}
