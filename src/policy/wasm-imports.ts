import { ASKS } from "./metering.ts";
import type { PolicyMemory } from "./policy-memory.ts";

/** What aborts an evaluation from within: OPA's own abort, with its message. */
export class PolicyAbort extends Error {}

/** What a policy module calls while it runs. */
export interface Host {
  callBuiltin(id: number, args: readonly number[]): number;
  checkBounds(): void;
  noteSetElement(): void;
}

/** What the module is given, addresses unsigned as in `unsignedExports`; the instance is there once it has been made. */
export function importsOf(
  memory: PolicyMemory,
  host: { readonly instance?: Host },
): WebAssembly.Imports {
  const builtin = (id: number, _context: number, ...args: number[]): number =>
    host.instance!.callBuiltin(
      id,
      args.map((address) => address >>> 0),
    );
  return {
    env: {
      memory: memory.memory,
      opa_abort: (address: number) => {
        if (address === ASKS.more) host.instance?.checkBounds();
        else if (address === ASKS.element) host.instance?.noteSetElement();
        else throw new PolicyAbort(memory.read(address >>> 0));
      },
      // What OPA's runtime prints is for those who debug it; a policy's own print() is a builtin.
      opa_println: () => undefined,
      opa_builtin0: builtin,
      opa_builtin1: builtin,
      opa_builtin2: builtin,
      opa_builtin3: builtin,
      opa_builtin4: builtin,
    },
  };
}
