import type { STEPS_LEFT } from "./metering.ts";
import type { NATIVE_FAILURE } from "./native-failures.ts";
import type { STACK_POINTER } from "./stack-pointer.ts";

/**
 * The functions that a policy module exports: OPA's WebAssembly ABI 1.2, and from 1.3 on the optional ones. The
 * addresses that they answer with are unsigned, see {@link unsignedExports}.
 */
export interface PolicyExports {
  opa_malloc(size: number): number;
  opa_free(address: number): void;
  opa_json_parse(address: number, length: number): number;
  opa_json_dump(value: number): number;
  opa_value_parse(address: number, length: number): number;
  opa_value_dump(value: number): number;
  opa_heap_ptr_get(): number;
  opa_heap_ptr_set(address: number): void;
  builtins(): number;
  entrypoints(): number;
  opa_eval(
    reserved: 0,
    entrypoint: number,
    data: number,
    input: number,
    inputLength: number,
    heap: number,
    format: number,
  ): number;
  opa_value_add_path(base: number, path: number, value: number): number;
  opa_value_remove_path(base: number, path: number): number;
  opa_value_free(value: number): void;
  opa_heap_blocks_stash?(): void;
  opa_heap_blocks_restore?(): void;
  [STACK_POINTER]?: WebAssembly.Global;
  [NATIVE_FAILURE]?: WebAssembly.Global;
  [STEPS_LEFT]: WebAssembly.Global;
}

const ANSWER_WITH_ADDRESSES: ReadonlySet<string> = new Set([
  "opa_malloc",
  "opa_json_parse",
  "opa_json_dump",
  "opa_value_parse",
  "opa_value_dump",
  "opa_heap_ptr_get",
  "builtins",
  "entrypoints",
  "opa_eval",
] satisfies (keyof PolicyExports)[]);

/**
 * A module's exports with addresses as they are meant: WebAssembly knows no signs, and JavaScript gets its 32-bit
 * numbers as signed ones, so that from 2 GiB on they would be negative. Nobody else may call the exports as they are.
 */
export function unsignedExports(exports: WebAssembly.Exports): PolicyExports {
  const entries = Object.entries(exports).map(([name, value]) =>
    ANSWER_WITH_ADDRESSES.has(name) ? [name, unsigned(value as AnyFunction)] : [name, value],
  );
  return Object.fromEntries(entries) as PolicyExports;
}

type AnyFunction = (...args: number[]) => number;

function unsigned(call: AnyFunction): AnyFunction {
  return (...args) => call(...args) >>> 0;
}
