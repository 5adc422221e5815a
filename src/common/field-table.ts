import { endOfString, stringAt } from "./json-bytes.ts";
import { type FieldsView, repairSurrogates } from "./json-text.ts";
import { NumberList } from "./number-list.ts";

/** The numbers kept of each field: its name's hash, the next field of its slot, and where it is in the JSON. */
const HASH = 0;
const NEXT = 1;
const NAME = 2;
const START = 3;
const END = 4;
const WIDTH = 5;
const FIRST_ROOM = 8;

/**
 * The fields of an object as places in its JSON, which is UTF-8. Data of a hundred thousand fields is a few numbers
 * for each and no object, so that the garbage collector has nothing to go through; and no field that is added takes
 * long, because nothing large is copied, and the slots are split one at a time (linear hashing).
 */
export class FieldTable implements FieldsView {
  readonly #json: Buffer;
  readonly #numbers = new NumberList(FIRST_ROOM * WIDTH);
  #size = 0;
  /** For each slot its first field's number, counted from 1. */
  readonly #slots = new NumberList(FIRST_ROOM);
  #slotCount = 1;
  /** The power of two that is not above the slots' count, and more than half of it. */
  #base = 1;
  /** The fields, by their number, that are tables in turn. */
  readonly #tables = new Map<number, FieldTable>();

  constructor(json: Buffer) {
    this.#json = json;
  }

  get size(): number {
    return this.#size;
  }

  /**
   * Adds a field: its name, where that begins in the JSON (at the quote), and its value, which is a table or goes
   * from `start` to `end`. A field of the same name is replaced.
   */
  set(name: string, nameStart: number, start: number, end: number, table?: FieldTable): void {
    const hash = hashOf(name);
    let field = this.#find(name, hash);
    if (field === 0) {
      field = ++this.#size;
      this.#numbers.ensure(field * WIDTH);
      this.#put(field, HASH, hash);
      this.#put(field, NAME, nameStart);
      this.#chain(field, this.#slotOf(hash));
      if (this.#slotCount < this.#size) this.#split();
    }
    this.#put(field, START, start);
    this.#put(field, END, end);
    if (table === undefined) this.#tables.delete(field);
    else this.#tables.set(field, table);
  }

  get(name: string): string | FieldTable | undefined {
    const field = this.#find(name, hashOf(name));
    return field === 0 ? undefined : this.#value(field);
  }

  *keys(): Generator<string> {
    for (let field = 1; field <= this.#size; field++) yield this.#name(field);
  }

  *[Symbol.iterator](): Generator<[name: string, value: string | FieldTable]> {
    for (let field = 1; field <= this.#size; field++) yield [this.#name(field), this.#value(field)];
  }

  #at(field: number, what: number): number {
    return this.#numbers.at((field - 1) * WIDTH + what);
  }

  #put(field: number, what: number, value: number): void {
    this.#numbers.put((field - 1) * WIDTH + what, value);
  }

  #name(field: number): string {
    const start = this.#at(field, NAME);
    return stringAt(this.#json, start, endOfString(this.#json, start, this.#json.length));
  }

  #value(field: number): string | FieldTable {
    const table = this.#tables.get(field);
    if (table !== undefined) return table;
    const text = this.#json.toString("utf8", this.#at(field, START), this.#at(field, END));
    return repairSurrogates(text);
  }

  /** The number of the field of this name; 0 where there is none. */
  #find(name: string, hash: number): number {
    let field = this.#slots.at(this.#slotOf(hash));
    while (field !== 0 && (this.#at(field, HASH) !== hash || this.#name(field) !== name)) {
      field = this.#at(field, NEXT);
    }
    return field;
  }

  #slotOf(hash: number): number {
    const slot = hash & (2 * this.#base - 1);
    return slot < this.#slotCount ? slot : hash & (this.#base - 1);
  }

  #chain(field: number, slot: number): void {
    this.#put(field, NEXT, this.#slots.at(slot));
    this.#slots.put(slot, field);
  }

  /** Adds a slot, whose fields come out of one other. */
  #split(): void {
    const from = this.#slotCount - this.#base;
    this.#slots.ensure(++this.#slotCount);
    let field = this.#slots.at(from);
    this.#slots.put(from, 0);
    while (field !== 0) {
      const next = this.#at(field, NEXT);
      this.#chain(field, this.#slotOf(this.#at(field, HASH)));
      field = next;
    }
    if (this.#slotCount === 2 * this.#base) this.#base = this.#slotCount;
  }
}

/** FNV-1a, 32 bits, of a name's UTF-16 units. */
function hashOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < name.length; index++) {
    hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}
