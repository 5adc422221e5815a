import { randomInt } from "node:crypto";
import type { Query } from "../query.ts";
import type { Operands } from "./operands.ts";
import { type BuiltinFamily, family } from "./registry.ts";
import { RegoNumber, type Value } from "./value.ts";

/** What a policy may have made for it in one call. */
const MAX_RANGE = 1_000_000n;
/** What `randomInt` can be asked for. */
const MAX_RANDOM = 2 ** 48 - 1;

/** `numbers.range_step` and `rand.intn`. */
export const numberBuiltins: BuiltinFamily = family({
  "numbers.range_step": rangeStep,
  "rand.intn": (operands, query) => new RegoNumber(random(operands, query)),
});

function rangeStep(operands: Operands): Value {
  const [from, to, step] = [operands.bigint(1), operands.bigint(2), operands.bigint(3)];
  if (step <= 0n) throw new Error("step must be a positive integer");
  const up = from <= to;
  const count = (up ? to - from : from - to) / step + 1n;
  if (count > MAX_RANGE) throw new Error(`a range of more than ${MAX_RANGE} numbers`);
  return Array.from({ length: Number(count) }, (_, index) => {
    const distance = BigInt(index) * step;
    return new RegoNumber(up ? from + distance : from - distance);
  });
}

/** The same number for the same question throughout a query. */
function random(operands: Operands, query: Query): string {
  const name = operands.string(1);
  const below = Math.abs(operands.int(2));
  if (below > MAX_RANDOM) throw new Error(`operand 2 must be at most ${MAX_RANDOM}`);
  if (below === 0) return "0";
  return query.once(`rand.intn ${below} ${name}`, () => String(randomInt(below)))!;
}
