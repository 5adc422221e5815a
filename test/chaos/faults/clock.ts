import { setTimeout as delay } from "node:timers/promises";
import { RECOVERY_MS } from "../promises.ts";
import type { Fault } from "./fault.ts";

const HOUR_MS = 3_600_000;

export const clockFaults: readonly Fault[] = [
  {
    // A machine whose time of day is wrong for a while. What expires, expires at the wrong time; nothing else changes.
    name: "clock",
    lane: "network",
    nodes: [1, 3],
    async run(world, random) {
      const subject = random.pick(world.subjects);
      const right = subject.clock.set(random.int(-HOUR_MS, HOUR_MS));
      await delay(random.int(100, 1_500));
      right(RECOVERY_MS);
    },
  },
];
