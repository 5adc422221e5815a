import { elementsOf, wrongKind } from "./operands.ts";
import { type BuiltinFamily, family } from "./registry.ts";
import { RegoSet } from "./value.ts";

/** The deprecated `cast_*`, which policies in Rego v0 may call. */
export const castBuiltins: BuiltinFamily = family({
  cast_array: (operands) => elementsOf(1, operands.any(1)),
  cast_set: (operands) => new RegoSet(elementsOf(1, operands.any(1))),
  cast_string: (operands) => operands.string(1),
  cast_boolean: (operands) => operands.boolean(1),
  cast_object: (operands) => operands.object(1),
  cast_null: (operands) => {
    const value = operands.any(1);
    if (value !== null) throw wrongKind(1, value, "null");
    return null;
  },
});
