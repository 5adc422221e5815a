import type { Prints } from "../prints.ts";
import { regoText } from "./go-format.ts";
import { type BuiltinFamily, family } from "./registry.ts";
import { RegoObject, RegoSet, type Value } from "./value.ts";

/**
 * What policies tell those who debug them, and are told about where they run: nothing, as its environment has
 * secrets. Notes of `trace` are for explanations of decisions, which a module can't give.
 */
export const diagnosticBuiltins: BuiltinFamily = family({
  trace: (operands) => {
    operands.string(1);
    return true;
  },
  // OPA's compiler turns every call into one of internal.print, or leaves it out.
  print: () => true,
  "internal.print": (operands, { prints }) => {
    print(operands.array(1), [], prints);
    return true;
  },
  "internal.test_case": () => true,
  "opa.runtime": () => new RegoObject(),
});

/** Each argument is a set of the values that it has; there is one text for each choice among them. */
function print([first, ...rest]: readonly Value[], texts: readonly string[], prints: Prints): void {
  if (first === undefined) return prints.add(texts.join(" "));
  const values = first instanceof RegoSet ? first.values : [first];
  if (values.length === 0) return print(rest, [...texts, "<undefined>"], prints);
  for (const value of values) {
    const text = typeof value === "string" ? value : regoText(value);
    print(rest, [...texts, text], prints);
    // What is left out need not be made.
    if (prints.isFull) return prints.add("");
  }
}
