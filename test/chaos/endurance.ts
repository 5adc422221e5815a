import { setTimeout as delay } from "node:timers/promises";
import { countConsumers } from "./consumers.ts";
import { leftOver, type Resources, resources, type Sample, sample } from "./leaks.ts";
import { REMEMBERED_MS } from "./oracle.ts";
import type { World } from "./world.ts";

const FAULTS_PER_SAMPLE = 10;
const SETTLING_MS = 10_000;
/** Timers of one copy at most: its stream's monitor, its audit, its budget, its next expiry. */
const TIMERS_PER_COPY = 4;

/** Looks for what bridges leave behind while they live through many faults. */
export class Endurance {
  readonly samples: Sample[] = [];
  readonly #world: World;
  #before: Resources = new Map();
  #faults = 0;
  /** Until then the oracle itself remembers more and more. */
  readonly #steadyAt = performance.now() + REMEMBERED_MS;

  constructor(world: World) {
    this.#world = world;
  }

  /** Every bucket is watched, and nothing has happened yet. */
  async begin(): Promise<void> {
    for (const subject of this.#world.subjects) {
      for (const { name } of this.#world.buckets) {
        await this.#world.insist(() => subject.bridge.manager.getOrCreateWatcher(name));
      }
    }
    const before = new Map(resources());
    // Which of them are set varies; what is left behind by every fault is more.
    before.set("Timeout", (before.get("Timeout") ?? 0) + this.#copies * TIMERS_PER_COPY);
    this.#before = before;
  }

  /** A fault is over. */
  happened(): void {
    if (++this.#faults % FAULTS_PER_SAMPLE > 0 || performance.now() < this.#steadyAt) return;
    this.samples.push(sample(this.#faults));
  }

  /** What there is too much of once everything is well again, in words. */
  async leaks(): Promise<string[]> {
    const left = await leftOver(this.#before);
    const deadline = performance.now() + SETTLING_MS;
    let consumers = await countConsumers(this.#world);
    while (consumers > this.#copies && performance.now() < deadline) {
      await delay(500);
      consumers = await countConsumers(this.#world);
    }
    if (consumers > this.#copies) left.push(`${consumers} consumers for ${this.#copies} copies`);
    return left.map((what) => `${what} while the bridges are alive`);
  }

  get #copies(): number {
    return this.#world.subjects.length * this.#world.buckets.length;
  }
}
