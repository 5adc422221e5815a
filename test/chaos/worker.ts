import { heldParts } from "./held.ts";
import { type Growth, growth, type Sample, sample } from "./leaks.ts";
import { runOnce, type RunResult, type RunSettings } from "./run.ts";

/** What the harness tells a worker. */
export type Order = ({ readonly seed: number } & RunSettings) | "end";

/** What a worker tells the harness. */
export type Report =
  | { readonly kind: "result"; readonly result: RunResult }
  | { readonly kind: "failed"; readonly seed: number; readonly message: string }
  | { readonly kind: "consumers"; readonly seed: number; readonly left: number }
  | ({ readonly kind: "memory"; readonly held: readonly string[] } & Growth)
  | { readonly kind: "warning"; readonly message: string };

const samples: Sample[] = [];
const lingering = new Set<Promise<void>>();
let faults = 0;

const tell = (report: Report): void => void process.send?.(report);

process.on("warning", ({ name, message }) => {
  // Of counting the objects of a class: held.ts.
  if (name !== "ExperimentalWarning") tell({ kind: "warning", message });
});
process.on("message", (order: Order) => void (order === "end" ? end() : run(order)));

async function run({ seed, ...settings }: Exclude<Order, "end">): Promise<void> {
  try {
    const { result, consumersLeft } = await runOnce(seed, settings);
    const checked = consumersLeft.then(
      (left) => tell({ kind: "consumers", seed, left }),
      (error: unknown) => tell({ kind: "failed", seed, message: text(error) }),
    );
    const lingers = checked.finally(() => lingering.delete(lingers));
    lingering.add(lingers);
    const before = faults;
    for (const count of Object.values(result.faults)) faults += count;
    // Among those of living bridges, one without what they held would hide that it has grown.
    if (result.samples.length === 0) samples.push(sample(faults));
    for (const taken of result.samples) samples.push({ ...taken, faults: before + taken.faults });
    tell({ kind: "result", result });
  } catch (error) {
    tell({ kind: "failed", seed, message: text(error) });
  }
}

/** After this nothing but a leak can keep the process alive. */
async function end(): Promise<void> {
  await Promise.all(lingering);
  tell({ kind: "memory", held: await heldParts(), ...growth(samples) });
  process.channel?.unref();
}

function text(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
