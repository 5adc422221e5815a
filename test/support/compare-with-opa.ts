import { standardBuiltins } from "../../src/policy/builtins/standard.ts";
import { valueText } from "../../src/policy/builtins/value-text.ts";
import { identity } from "../../src/policy/builtins/value.ts";
import { answersOfOpa, answersOfOurs, type BuiltinCase } from "./opa-eval.ts";

export interface Comparison {
  /** Each call that is answered otherwise, with both answers. */
  readonly differences: string[];
  /** How many OPA has answered at all. */
  readonly answered: number;
  /** How many OPA has answered with a list that begins with true. */
  readonly verified: number;
}

/** Calls builtins here and in OPA. */
export async function compareWithOpa(
  opa: string,
  cases: readonly BuiltinCase[],
): Promise<Comparison> {
  const theirs = await answersOfOpa(opa, cases);
  const ours = answersOfOurs(new Map(standardBuiltins()), cases);
  const differences = cases.flatMap((each, index) => {
    const [their, our] = [theirs[index]!, ours[index]!];
    if (identity(their) === identity(our)) return [];
    return [`${JSON.stringify(each)}\n  opa:  ${valueText(their)}\n  ours: ${valueText(our)}`];
  });
  const verified = theirs.filter(([answer]) => Array.isArray(answer) && answer[0] === true).length;
  return { differences, answered: theirs.filter((each) => each.length > 0).length, verified };
}
