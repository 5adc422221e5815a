/** What takes time and does one thing after the other: the processors of a server or a bridge, or a link. */
export class Station {
  readonly #freeAt: number[];
  /** Seconds of work done. */
  busy = 0;

  constructor(servers: number) {
    this.#freeAt = Array.from({ length: servers }, () => 0);
  }

  /** Work of so many seconds that arrives now; the answer is when it is done. To be called in the order of time. */
  serve(now: number, seconds: number): number {
    let first = 0;
    for (let index = 1; index < this.#freeAt.length; index++)
      if (this.#freeAt[index]! < this.#freeAt[first]!) first = index;
    const end = Math.max(now, this.#freeAt[first]!) + seconds;
    this.#freeAt[first] = end;
    this.busy += seconds;
    return end;
  }
}

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** What happens when, in the order of time; what is due at the same time, in the order in which it was planned. */
export class Agenda {
  readonly #heap: Event[] = [];
  #planned = 0;
  now = 0;

  at(time: number, run: () => void): void {
    const heap = this.#heap;
    const event = { at: Math.max(time, this.now), order: this.#planned++, run };
    let child = heap.length;
    heap.push(event);
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[child] = heap[parent]!;
      child = parent;
    }
    heap[child] = event;
  }

  /** Until nothing is planned. */
  run(): void {
    for (let event = this.#take(); event !== undefined; event = this.#take()) {
      this.now = event.at;
      event.run();
    }
  }

  #take(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let parent = 0;
    for (;;) {
      let child = 2 * parent + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[parent] = heap[child]!;
      parent = child;
    }
    heap[parent] = last;
    return first;
  }
}

function isBefore(one: Event, other: Event): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}
