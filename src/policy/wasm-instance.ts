import * as opaWasm from "@open-policy-agent/opa-wasm";
import { BridgeError, isBridgeError } from "../errors.ts";
import { jsonText, parseValue } from "./builtins/value-text.ts";
import {
  DEFAULT_LIMITS,
  EvaluationBounds,
  type EvaluationLimits,
  type Spending,
  outOfMemory,
  tooDeep,
} from "./evaluation-bounds.ts";
import { STEPS_LEFT } from "./metering.ts";
import { NATIVE_FAILURE } from "./native-failures.ts";
import { type PolicyExports, unsignedExports } from "./policy-exports.ts";
import { PolicyMemory } from "./policy-memory.ts";
import { notOfOpa, type PolicyModule } from "./policy-module.ts";
import { STACK_POINTER } from "./stack-pointer.ts";
import { importsOf, PolicyAbort } from "./wasm-imports.ts";

/**
 * Answers a builtin's call: the arguments and the answer are texts of values (JSON, with sets and keys of any
 * kind); undefined is Rego's undefined. Must not throw.
 */
export type BuiltinCall = (name: string, args: readonly string[]) => string | undefined;

const OLDEST_MINOR_VERSION = 2;
/** How `opa_eval` writes its answer: as JSON, or as values, in which sets can be told from arrays. */
const FORMAT = { json: 0, value: 1 } as const;

type LoadedPolicy = opaWasm.LoadedPolicy;
// At run time the class is a member of the default export, which the package's types don't know.
const { LoadedPolicy } = (
  opaWasm as unknown as { default: { LoadedPolicy: typeof opaWasm.LoadedPolicy } }
).default;

/** What is left of the module's own stack of 64 KiB when it has been used up. */
const STACK_REST = 1024;
/** What OPA's allocator says. */
const OUT_OF_MEMORY = "opa_malloc: failed";

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
  readonly #exports: PolicyExports;
  #released = false;
  readonly #policy: LoadedPolicy;
  readonly #builtinNames = new Map<number, string>();
  readonly #stackTop: number | undefined;
  readonly #native: readonly string[];
  readonly #bounds: EvaluationBounds;
  /** The entrypoints that have answered with sets. */
  readonly #withSets = new Set<number>();
  #setElements = 0;
  #call: BuiltinCall = () => undefined;

  /**
   * Throws `BUNDLE_INVALID` or `POLICY_ABI` when the module is not a policy that this can run.
   * `maxMemoryBytes` is reserved up front where the system allows it.
   */
  static async create(
    module: PolicyModule,
    maxMemoryBytes: number,
    limits: EvaluationLimits = DEFAULT_LIMITS,
  ): Promise<WasmInstance> {
    const memory = new PolicyMemory(maxMemoryBytes);
    const host: { instance?: WasmInstance } = {};
    try {
      // What a module has in its own part of the memory beside its data is zero; another may have used it before.
      memory.clear(0, Math.min(module.staticBytes, memory.size));
      const instance = await WebAssembly.instantiate(module.compiled, importsOf(memory, host));
      host.instance = new WasmInstance(instance, memory, module.nativeBuiltins, limits);
      return host.instance;
    } catch (error) {
      memory.release();
      throw isBridgeError(error) ? error : notOfOpa(error);
    }
  }

  private constructor(
    instance: WebAssembly.Instance,
    memory: PolicyMemory,
    native: readonly string[],
    limits: EvaluationLimits,
  ) {
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
    this.#native = native;
    this.#exports = unsignedExports(instance.exports);
    this.#bounds = new EvaluationBounds(limits, {
      giveSteps: (steps) => (this.exports[STEPS_LEFT].value = steps),
      heapEnd: () => this.exports.opa_heap_ptr_get(),
    });
    this.#stackTop = this.exports[STACK_POINTER]?.value as number | undefined;
    this.#policy = new LoadedPolicy({ exports: this.#exports } as never, memory.memory, minor);
    this.entrypoints = new Map(Object.entries(this.#policy.entrypoints as Record<string, number>));
    const builtins = JSON.parse(this.dump(this.exports.builtins())) as Record<string, number>;
    for (const [name, id] of Object.entries(builtins)) this.#builtinNames.set(id, name);
    this.requiredBuiltins = Object.keys(builtins);
    this.#bounds.check();
  }

  /** Throws once the instance has been released. */
  get exports(): PolicyExports {
    if (this.#released) throw new Error("the policy's memory belongs to another one by now");
    return this.#exports;
  }

  /** Leaves the memory to the next policy. Nothing may be asked of the instance any more. */
  release(): void {
    this.#released = true;
    this.memory.release();
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
   * OPA's result set: `[{"result":…}]`, or `[]` when the decision is undefined; sets in it are sorted, as far as the
   * module has the names of its functions. Throws when the evaluation is aborted, or passes its bounds; nothing of
   * it stays behind. `call` may be asked everything twice.
   */
  evaluate(
    entrypoint: number,
    input: string | undefined,
    spending: Spending,
    call: BuiltinCall,
  ): string {
    this.#call = call;
    if (!this.#withSets.has(entrypoint)) {
      this.#setElements = 0;
      const text = this.#evaluateAs(FORMAT.json, entrypoint, input, spending);
      // The result set is one itself, with one element.
      if (this.#setElements <= 1) return text;
      // Decisions that answer with sets mostly do so again.
      this.#withSets.add(entrypoint);
      spending.again?.();
    }
    const value = this.#evaluateAs(FORMAT.value, entrypoint, input, spending);
    return jsonText(parseValue(value));
  }

  #evaluateAs(
    format: number,
    entrypoint: number,
    input: string | undefined,
    spending: Spending,
  ): string {
    const base = this.dataEnd;
    const length = input === undefined ? 0 : this.memory.write(input, base);
    this.#bounds.begin(base, spending);
    try {
      const result = this.exports.opa_eval(
        0,
        entrypoint,
        this.dataAddress,
        input === undefined ? 0 : base,
        length,
        base + length,
        format,
      );
      return this.memory.read(result);
    } catch (error) {
      const reason = this.#reasonOf(error);
      this.restoreStack();
      throw reason;
    } finally {
      this.#bounds.end();
    }
  }

  /** What ended an evaluation, when it is one of the module's limits: it shows as something else. */
  #reasonOf(error: unknown): unknown {
    const stack = (this.exports[STACK_POINTER]?.value ?? STACK_REST) as number;
    const ownStack = error instanceof WebAssembly.RuntimeError && stack < STACK_REST;
    const range = error instanceof RangeError ? error.message : undefined;
    if (ownStack || range?.includes("call stack")) return tooDeep(error);
    const aborted = error instanceof PolicyAbort && error.message === OUT_OF_MEMORY;
    // Memory that can't grow any more is a RangeError, too.
    if (aborted || range !== undefined) return outOfMemory("all that is left", { cause: error });
    return error;
  }

  /** The first builtin of the module's own that has failed since this was asked last. */
  takeNativeFailure(): string | undefined {
    const failure = this.exports[NATIVE_FAILURE];
    const number = (failure?.value ?? 0) as number;
    if (failure === undefined || number === 0) return undefined;
    failure.value = 0;
    return this.#native[number - 1];
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

  /** Called by the module, and before it is answered: throws when the evaluation has passed its bounds. */
  checkBounds(): void {
    this.#bounds.check();
  }

  /** Called by the module when it writes an element of a set. */
  noteSetElement(): void {
    this.#setElements++;
  }

  /** Called by the module: the answer is the address of a value, 0 for undefined. */
  callBuiltin(id: number, args: readonly number[]): number {
    // What takes no steps takes time, too.
    this.#bounds.check();
    const name = this.#builtinNames.get(id) ?? `#${id}`;
    const elements = this.#setElements;
    const texts = args.map((value) => this.memory.read(this.exports.opa_value_dump(value)));
    // Sets among the arguments are none in the evaluation's answer.
    this.#setElements = elements;
    const answer = this.#call(name, texts);
    if (answer === undefined) return 0;
    // Worst case of UTF-8; what is too much goes with the evaluation's heap.
    const address = this.exports.opa_malloc(answer.length * 3);
    return this.exports.opa_value_parse(address, this.memory.write(answer, address));
  }
}

function globalOf(instance: WebAssembly.Instance, name: string): number | undefined {
  const value = instance.exports[name];
  return value instanceof WebAssembly.Global ? (value.value as number) : undefined;
}
