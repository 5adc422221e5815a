import { mergeObjects } from "../common/json-text.ts";
import type { PolicyStore } from "../store/policy-store.ts";
import type { ResidentFigures } from "./active-policy.ts";
import type { BaseData } from "./base-data.ts";
import type { WasmInstance } from "./wasm-instance.ts";

/** Keeps the copy of the data that lives in an instance's memory equal to the store. */
export interface ResidentData {
  /** Brings the copy up to what the store holds now, a little at a time; to be awaited before the first evaluation. */
  load(): Promise<void>;
  /** Called right before each evaluation; the copy equals the store's version afterwards. Synchronous. */
  sync(): void;
  figures(): ResidentFigures;
  /** Ends the following of the store. */
  close(): void;
}

/**
 * Resident data by replacement: everything is handed over anew whenever anything has changed. For modules
 * without what patching needs.
 */
export class ReplacedData implements ResidentData {
  readonly #instance: WasmInstance;
  readonly #store: PolicyStore;
  readonly #base: BaseData;
  #version = -1;

  constructor(instance: WasmInstance, store: PolicyStore, base: BaseData) {
    this.#instance = instance;
    this.#store = store;
    this.#base = base;
  }

  async load(): Promise<void> {
    this.sync();
  }

  sync(): void {
    if (this.#version === this.#store.version) return;
    const watched = this.#store.text([])!;
    this.#instance.setData(
      this.#base.isEmpty ? watched : mergeObjects(watched, this.#base.text()!),
    );
    this.#version = this.#store.version;
  }

  figures(): ResidentFigures {
    const { dataEnd, memory } = this.#instance;
    return {
      mode: "replaced",
      heapBytes: dataEnd,
      maxBytes: memory.maxBytes,
      wasteObjects: 0,
    };
  }

  close(): void {
    // Nothing is followed: the store is read when it is needed.
  }
}
