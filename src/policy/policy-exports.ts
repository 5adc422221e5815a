import type { STEPS_LEFT } from "./metering.ts";
import type { NATIVE_FAILURE } from "./native-failures.ts";
import type { STACK_POINTER } from "./stack-pointer.ts";

/** The functions that a policy module exports: OPA's WebAssembly ABI 1.2, and from 1.3 on the optional ones. */
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
