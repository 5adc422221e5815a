import * as opaWasm from "@open-policy-agent/opa-wasm";
import { BridgeError, messageOf, quote } from "../errors.ts";
import { exposeStackPointer, STACK_POINTER } from "./stack-pointer.ts";
import { PolicyMemory } from "./policy-memory.ts";

/** Answers a builtin's call: the arguments and the answer are JSON texts; undefined is Rego's undefined. Must not throw. */
export type BuiltinCall = (name: string, args: readonly string[]) => string | undefined;

/** The functions that a policy module exports: OPA's WebAssembly ABI 1.2, and from 1.3 on the optional ones. */
export interface PolicyExports {
  opa_malloc(size: number): number;
  opa_json_parse(address: number, length: number): number;
  opa_json_dump(value: number): number;
  opa_heap_ptr_get(): number;
  opa_heap_ptr_set(address: number): void;
  builtins(): number;
  opa_eval(
    reserved: 0,
    entrypoint: number,
    data: number,
    input: number,
    inputLength: number,
    heap: number,
    format: 0,
  ): number;
  opa_value_add_path(base: number, path: number, value: number): number;
  opa_value_remove_path(base: number, path: number): number;
  opa_value_free(value: number): void;
  opa_heap_blocks_stash?(): void;
  opa_heap_blocks_restore?(): void;
  [STACK_POINTER]?: WebAssembly.Global;
}

const OLDEST_MINOR_VERSION = 2;

type LoadedPolicy = opaWasm.LoadedPolicy;
// At run time the class is a member of the default export, which the package's types don't know.
const { LoadedPolicy } = (
  opaWasm as unknown as { default: { LoadedPolicy: typeof opaWasm.LoadedPolicy } }
).default;

/** What aborts an evaluation from within: OPA's own abort, with its message. */
export class PolicyAbort extends Error {}

/**
 * One WebAssembly instance of a policy, on top of `@open-policy-agent/opa-wasm`. Input, builtins' arguments and
 * results cross the border as JSON texts, so numbers keep their digits and falsy inputs are what they are.
 */
export class WasmInstance {
  /** The decisions that the module was compiled for, by path (`authz/allow`). */
  readonly entrypoints: ReadonlyMap<string, number>;
  /** The builtins that the module calls and does not bring itself. */
  readonly requiredBuiltins: readonly string[];
  /** Minor version of the module's ABI. */
  readonly minorVersion: number;
  readonly memory: PolicyMemory;
  readonly exports: PolicyExports;
  readonly #policy: LoadedPolicy;
  readonly #builtinNames = new Map<number, string>();
  readonly #stackTop: number | undefined;
  #call: BuiltinCall = () => undefined;

  /**
   * Throws `BUNDLE_INVALID` or `POLICY_ABI` when the module is not a policy that this can run.
   * `maxMemoryBytes` is reserved up front where the system allows it.
   */
  static async create(wasm: Uint8Array, maxMemoryBytes: number): Promise<WasmInstance> {
    const memory = new PolicyMemory(maxMemoryBytes);
    const host: { instance?: WasmInstance } = {};
    let instance: WebAssembly.Instance;
    try {
      const module = await WebAssembly.compile(exposeStackPointer(wasm) as BufferSource);
      instance = await WebAssembly.instantiate(module, importsOf(memory, host));
    } catch (error) {
      throw new BridgeError(
        "BUNDLE_INVALID",
        `The policy is not a WebAssembly module of OPA (${messageOf(error)}); build it with: opa build -t wasm`,
        { cause: error },
      );
    }
    host.instance = new WasmInstance(instance, memory);
    return host.instance;
  }

  private constructor(instance: WebAssembly.Instance, memory: PolicyMemory) {
    const major = globalOf(instance, "opa_wasm_abi_version");
    const minor = globalOf(instance, "opa_wasm_abi_minor_version");
    if (major !== 1 || minor === undefined || minor < OLDEST_MINOR_VERSION) {
      throw new BridgeError(
        "POLICY_ABI",
        `The policy has WebAssembly ABI ${major ?? "?"}.${minor ?? "?"}; 1.2 is the oldest that works: build it with OPA 0.27 or later.`,
      );
    }
    this.minorVersion = minor;
    this.memory = memory;
    this.exports = instance.exports as unknown as PolicyExports;
    this.#stackTop = this.exports[STACK_POINTER]?.value as number | undefined;
    this.#policy = new LoadedPolicy(instance as never, memory.memory, minor);
    this.entrypoints = new Map(Object.entries(this.#policy.entrypoints as Record<string, number>));
    const builtins = JSON.parse(this.dump(this.exports.builtins())) as Record<string, number>;
    for (const [name, id] of Object.entries(builtins)) this.#builtinNames.set(id, name);
    this.requiredBuiltins = Object.keys(builtins);
  }

  /** The address of the data that evaluations see. */
  get dataAddress(): number {
    return this.#policy.dataAddr;
  }

  /** Where the data ends and evaluations begin. */
  get dataEnd(): number {
    return this.#policy.dataHeapPtr as number;
  }

  set dataEnd(address: number) {
    this.#policy.dataHeapPtr = address;
  }

  /** Replaces all data by this JSON text. Costs time in proportion to it. */
  setData(text: string): void {
    const bytes = Buffer.from(text, "utf8");
    // A buffer of its own: opa-wasm takes an ArrayBuffer for JSON that is ready to be parsed.
    this.#policy.setData(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  }

  /**
   * Evaluates an entrypoint. `input` is JSON text, undefined where there is none. The answer is the JSON text of
   * OPA's result set: `[{"result":…}]`, or `[]` when the decision is undefined. Throws when the evaluation is
   * aborted; nothing of it stays behind.
   */
  evaluate(entrypoint: number, input: string | undefined, call: BuiltinCall): string {
    const base = this.dataEnd;
    const length = input === undefined ? 0 : this.memory.write(input, base);
    this.#call = call;
    try {
      const result = this.exports.opa_eval(
        0,
        entrypoint,
        this.dataAddress,
        input === undefined ? 0 : base,
        length,
        base + length,
        0,
      );
      return this.memory.read(result);
    } catch (error) {
      this.restoreStack();
      throw error;
    }
  }

  /** To be called after anything was thrown through the module: puts its stack pointer back. */
  restoreStack(): void {
    const pointer = this.exports[STACK_POINTER];
    if (pointer !== undefined) pointer.value = this.#stackTop;
  }

  /** The JSON text of a value. Takes room on the heap. */
  dump(value: number): string {
    return this.memory.read(this.exports.opa_json_dump(value));
  }

  /** Called by the module: the answer is the address of a value, 0 for undefined. */
  callBuiltin(id: number, args: readonly number[]): number {
    const name = this.#builtinNames.get(id) ?? `#${id}`;
    const answer = this.#call(
      name,
      args.map((value) => this.dump(value)),
    );
    if (answer === undefined) return 0;
    // Worst case of UTF-8; what is too much goes with the evaluation's heap.
    const address = this.exports.opa_malloc(answer.length * 3);
    return this.exports.opa_json_parse(address, this.memory.write(answer, address));
  }
}

function globalOf(instance: WebAssembly.Instance, name: string): number | undefined {
  const value = instance.exports[name];
  return value instanceof WebAssembly.Global ? (value.value as number) : undefined;
}

function importsOf(memory: PolicyMemory, host: { instance?: WasmInstance }): WebAssembly.Imports {
  const builtin = (id: number, _context: number, ...args: number[]): number =>
    host.instance!.callBuiltin(id, args);
  return {
    env: {
      memory: memory.memory,
      opa_abort: (address: number) => {
        throw new PolicyAbort(quote(memory.read(address)));
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
