import { type BuiltinFamily, family } from "./registry.ts";
import { RegoObject } from "./value.ts";

/** What policies tell those who debug them, and are told about where they run: nothing, as its environment has secrets. */
export const diagnosticBuiltins: BuiltinFamily = family({
  trace: (operands) => {
    operands.string(1);
    return true;
  },
  print: () => true,
  "internal.print": () => true,
  "internal.test_case": () => true,
  "opa.runtime": () => new RegoObject(),
});
