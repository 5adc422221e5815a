import * as opaWasm from "@open-policy-agent/opa-wasm";
import { BridgeError, messageOf, quote } from "../errors.ts";

/** Answers a builtin's call: the arguments and the answer are JSON texts; undefined is Rego's undefined. */
export type BuiltinCall = (name: string, args: readonly string[]) => string | undefined;

/** The functions that a policy module exports (OPA's WebAssembly ABI 1.2 and later). */
interface PolicyExports {
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
}

const PAGE_BYTES = 65_536;
/** Pages that OPA's runtime needs before any data. */
const BASE_PAGES = 16;
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
  readonly #policy: LoadedPolicy;
  readonly #memory: WebAssembly.Memory;
  readonly #exports: PolicyExports;
  readonly #builtinNames = new Map<number, string>();
  #bytes: Buffer;
  #call: BuiltinCall = () => undefined;

  /** Throws `BUNDLE_INVALID` or `POLICY_ABI` when the module is not a policy that this can run. */
  static async create(module: WebAssembly.Module): Promise<WasmInstance> {
    const memory = new WebAssembly.Memory({ initial: BASE_PAGES });
    const host: { instance?: WasmInstance } = {};
    let instance: WebAssembly.Instance;
    try {
      instance = await WebAssembly.instantiate(module, importsOf(memory, host));
    } catch (error) {
      throw new BridgeError(
        "BUNDLE_INVALID",
        `The WebAssembly module is not an OPA policy (${messageOf(error)}); build it with: opa build -t wasm`,
        { cause: error },
      );
    }
    host.instance = new WasmInstance(instance, memory);
    return host.instance;
  }

  private constructor(instance: WebAssembly.Instance, memory: WebAssembly.Memory) {
    const major = globalOf(instance, "opa_wasm_abi_version");
    const minor = globalOf(instance, "opa_wasm_abi_minor_version");
    if (major !== 1 || minor === undefined || minor < OLDEST_MINOR_VERSION) {
      throw new BridgeError(
        "POLICY_ABI",
        `The policy has WebAssembly ABI ${major ?? "?"}.${minor ?? "?"}; 1.2 is the oldest that works: build it with OPA 0.27 or later.`,
      );
    }
    this.minorVersion = minor;
    this.#memory = memory;
    this.#exports = instance.exports as unknown as PolicyExports;
    this.#bytes = Buffer.from(memory.buffer);
    this.#policy = new LoadedPolicy(instance as never, memory, minor);
    this.entrypoints = new Map(Object.entries(this.#policy.entrypoints as Record<string, number>));
    const builtins = JSON.parse(
      this.#readText(this.#exports.opa_json_dump(this.#exports.builtins())),
    ) as Record<string, number>;
    for (const [name, id] of Object.entries(builtins)) this.#builtinNames.set(id, name);
    this.requiredBuiltins = Object.keys(builtins);
  }

  /** Replaces all data by this JSON text. Costs time in proportion to it. */
  setData(text: string): void {
    const bytes = Buffer.from(text, "utf8");
    // A buffer of its own: opa-wasm takes an ArrayBuffer for JSON that is ready to be parsed.
    this.#policy.setData(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  }

  /**
   * Evaluates an entrypoint. `input` is JSON text, undefined where there is none. The answer is the JSON text of
   * OPA's result set: `[{"result":…}]`, or `[]` when the decision is undefined. Whatever a builtin throws comes
   * out as it is; nothing of an evaluation that failed stays behind.
   */
  evaluate(entrypoint: number, input: string | undefined, call: BuiltinCall): string {
    const base = this.#policy.dataHeapPtr as number;
    const length = input === undefined ? 0 : this.#writeText(input, base);
    this.#call = call;
    const result = this.#exports.opa_eval(
      0,
      entrypoint,
      this.#policy.dataAddr,
      input === undefined ? 0 : base,
      length,
      base + length,
      0,
    );
    return this.#readText(result);
  }

  /** Called by the module: the answer is the address of a value, 0 for undefined. */
  callBuiltin(id: number, args: readonly number[]): number {
    const name = this.#builtinNames.get(id) ?? `#${id}`;
    const texts = args.map((address) => this.#readText(this.#exports.opa_json_dump(address)));
    const answer = this.#call(name, texts);
    if (answer === undefined) return 0;
    // Worst case of UTF-8; what is too much goes with the evaluation's heap.
    const address = this.#exports.opa_malloc(answer.length * 3);
    const value = this.#exports.opa_json_parse(address, this.#writeText(answer, address));
    if (value === 0) throw new PolicyAbort(`builtin ${name} answered with what is not JSON`);
    return value;
  }

  #view(): Buffer {
    if (this.#bytes.buffer !== this.#memory.buffer) this.#bytes = Buffer.from(this.#memory.buffer);
    return this.#bytes;
  }

  /** Writes text at an address, growing the memory where it must; the answer is its length in bytes. */
  #writeText(text: string, address: number): number {
    const missing = address + text.length * 3 - this.#memory.buffer.byteLength;
    if (missing > 0) this.#memory.grow(Math.ceil(missing / PAGE_BYTES));
    return this.#view().write(text, address, "utf8");
  }

  #readText(address: number): string {
    const bytes = this.#view();
    return bytes.toString("utf8", address, bytes.indexOf(0, address));
  }
}

function globalOf(instance: WebAssembly.Instance, name: string): number | undefined {
  const value = instance.exports[name];
  return value instanceof WebAssembly.Global ? (value.value as number) : undefined;
}

function importsOf(
  memory: WebAssembly.Memory,
  host: { instance?: WasmInstance },
): WebAssembly.Imports {
  const textAt = (address: number): string => {
    const bytes = Buffer.from(memory.buffer);
    return bytes.toString("utf8", address, bytes.indexOf(0, address));
  };
  const builtin = (id: number, _context: number, ...args: number[]): number =>
    host.instance!.callBuiltin(id, args);
  return {
    env: {
      memory,
      opa_abort: (address: number) => {
        throw new PolicyAbort(quote(textAt(address)));
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
