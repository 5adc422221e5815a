import { setTimeout as delay } from "node:timers/promises";
import { RECOVERY_MS } from "../promises.ts";
import type { Random } from "../random.ts";
import type { Subject } from "../subject.ts";
import type { World } from "../world.ts";
import type { Fault } from "./fault.ts";

function network(name: string, run: (subject: Subject, random: Random) => Promise<void>): Fault {
  return {
    name,
    lane: "network",
    nodes: [1, 3],
    async run(world: World, random: Random) {
      const subject = random.pick(world.subjects);
      const recovered = world.blindness.begin({ subject: subject.name });
      await run(subject, random);
      recovered(RECOVERY_MS);
    },
  };
}

export const networkFaults: readonly Fault[] = [
  network("reset", async ({ proxies }) => {
    for (const proxy of proxies) proxy.reset();
  }),
  network("cut", async ({ proxies }, random) => {
    for (const proxy of proxies) proxy.cut();
    await delay(random.int(50, 2_500));
    for (const proxy of proxies) proxy.restore();
  }),
  network("black-hole", async ({ proxies }, random) => {
    for (const proxy of proxies) proxy.blackhole();
    await delay(random.int(100, 4_500));
    for (const proxy of proxies) proxy.restore();
  }),
  network("delay", async ({ proxies }, random) => {
    const ms = random.int(20, 300);
    for (const proxy of proxies) proxy.delay(ms);
    await delay(random.int(300, 1_500));
    for (const proxy of proxies) proxy.delay(0);
  }),
];
