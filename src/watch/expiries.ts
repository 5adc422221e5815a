/**
 * Keys in the order in which they expire: a heap that knows where each key stands in it, so that a key that is
 * written again and again has one place all the same, and no key needs a timer of its own.
 */
export class Expiries {
  readonly #keys: string[] = [];
  readonly #times: number[] = [];
  readonly #places = new Map<string, number>();

  get size(): number {
    return this.#keys.length;
  }

  /** When the next key expires; Infinity: none ever does. */
  get next(): number {
    return this.#times[0] ?? Infinity;
  }

  /** Notes when a key expires, in the place of what was noted before; Infinity: never. */
  set(key: string, time: number): void {
    if (time === Infinity && this.#keys.length === 0) return;
    const place = this.#places.get(key);
    if (time === Infinity) {
      if (place !== undefined) this.#remove(place);
    } else if (place === undefined) {
      this.#put(this.#keys.length, key, time);
      this.#rise(this.#keys.length - 1);
    } else {
      this.#times[place] = time;
      this.#sink(this.#rise(place));
    }
  }

  /** Takes out the key that expires next, if its time has come. */
  take(now: number): string | undefined {
    if (this.next > now) return undefined;
    const [key] = this.#keys;
    this.#remove(0);
    return key;
  }

  #remove(place: number): void {
    this.#places.delete(this.#keys[place]!);
    const key = this.#keys.pop()!;
    const time = this.#times.pop()!;
    if (place === this.#keys.length) return;
    this.#put(place, key, time);
    this.#sink(this.#rise(place));
  }

  #put(place: number, key: string, time: number): void {
    this.#keys[place] = key;
    this.#times[place] = time;
    this.#places.set(key, place);
  }

  #rise(from: number): number {
    const key = this.#keys[from]!;
    const time = this.#times[from]!;
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      if (this.#times[above]! <= time) break;
      this.#put(place, this.#keys[above]!, this.#times[above]!);
      place = above;
    }
    this.#put(place, key, time);
    return place;
  }

  #sink(from: number): void {
    const key = this.#keys[from]!;
    const time = this.#times[from]!;
    let place = from;
    for (;;) {
      let below = 2 * place + 1;
      if (below + 1 < this.#times.length && this.#times[below + 1]! < this.#times[below]!) below++;
      if (below >= this.#times.length || this.#times[below]! >= time) break;
      this.#put(place, this.#keys[below]!, this.#times[below]!);
      place = below;
    }
    this.#put(place, key, time);
  }
}
