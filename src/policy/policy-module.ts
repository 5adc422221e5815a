import { type Slices, slices as processSlices } from "../common/slices.ts";
import { BridgeError, messageOf } from "../errors.ts";
import { meterWork } from "./metering.ts";
import { exposeNativeFailures } from "./native-failures.ts";
import { withSharedMemory } from "./shared-memory.ts";
import { exposeStackPointer } from "./stack-pointer.ts";

/** A policy's module made over for what its instances need of it, and compiled. */
export class PolicyModule {
  /** For any number of instances. */
  readonly compiled: WebAssembly.Module;
  /** The builtins that it brings itself, by the number that stands for one that has failed, less 1. */
  readonly nativeBuiltins: readonly string[];
  /** How many bytes of an instance's memory are its own from the start. */
  readonly staticBytes: number;
  readonly #source: Uint8Array;

  /**
   * Makes a module ready in slices, so that nothing waits for it. `before` may be one that is likely to be of the same
   * bytes, as when only a bundle's data has changed: then it is that one. Rejects with `BUNDLE_INVALID` when it is not
   * as OPA makes them.
   */
  static async prepare(
    wasm: Uint8Array,
    before?: PolicyModule,
    slices: Slices = processSlices,
  ): Promise<PolicyModule> {
    if (before?.isOf(wasm) === true) return before;
    try {
      const { module, builtins, staticBytes } = await slices.finish(madeOver(wasm));
      const compiled = await WebAssembly.compile(module as BufferSource);
      return new PolicyModule(wasm, compiled, builtins, staticBytes);
    } catch (error) {
      throw notOfOpa(error);
    }
  }

  private constructor(
    source: Uint8Array,
    compiled: WebAssembly.Module,
    nativeBuiltins: readonly string[],
    staticBytes: number,
  ) {
    this.#source = source;
    this.compiled = compiled;
    this.nativeBuiltins = nativeBuiltins;
    this.staticBytes = staticBytes;
  }

  /** Whether it was made of these bytes. */
  isOf(wasm: Uint8Array): boolean {
    return Buffer.compare(this.#source, wasm) === 0;
  }
}

/** What has failed with a module that OPA has not made. */
export function notOfOpa(error: unknown): BridgeError {
  return new BridgeError(
    "BUNDLE_INVALID",
    `The policy is not a WebAssembly module of OPA (${messageOf(error)}); build it with: opa build -t wasm`,
    { cause: error },
  );
}

interface MadeOver {
  readonly module: Uint8Array;
  readonly builtins: readonly string[];
  readonly staticBytes: number;
}

function* madeOver(wasm: Uint8Array): Generator<undefined, MadeOver> {
  const exposed = yield* exposeNativeFailures(exposeStackPointer(wasm));
  yield;
  const metered = yield* meterWork(exposed.module);
  yield;
  return { ...withSharedMemory(metered), builtins: exposed.builtins };
}
