import * as fc from "fast-check";
import { expect, it } from "vitest";
import { Play, reader, write } from "./play.ts";

const runs = Number(process.env["FC_RUNS"] ?? 100);
const options = {
  numRuns: runs,
  ...(process.env["FC_SEED"] !== undefined && { seed: Number(process.env["FC_SEED"]) }),
  ...(process.env["FC_PATH"] !== undefined && { path: process.env["FC_PATH"] }),
};

it("F1 J1 J2 J13 J22 J27 whatever is committed while subscribers come, read and go, each is told every version once, in order, and has exactly the store's state at every cursor", async () => {
  const property = fc.asyncProperty(
    fc.scheduler(),
    fc.array(write, { minLength: 10, maxLength: 60, size: "max" }),
    fc.array(reader, { minLength: 1, maxLength: 4 }),
    fc.constantFrom(1, 3, 8, 1_000),
    async (scheduler, writes, readers, maxCommits) => {
      const play = new Play(scheduler, maxCommits);
      await scheduler.waitFor(play.run(writes, readers));
    },
  );
  await expect(fc.assert(property, options)).resolves.toBeUndefined();
}, 600_000);
