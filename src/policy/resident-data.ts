import { mergeObjects } from "../common/json-text.ts";
import type { PolicyStore } from "../store/policy-store.ts";
import type { WasmInstance } from "./wasm-instance.ts";

/** Keeps the copy of the data that lives in an instance's memory equal to the store. */
export interface ResidentData {
  /** Brings the copy to the store's version. Called right before each evaluation; synchronous. */
  sync(): void;
}

/** Resident data by replacement: everything is handed over anew whenever anything has changed. */
export class ReplacedData implements ResidentData {
  readonly #instance: WasmInstance;
  readonly #store: PolicyStore;
  readonly #bundleData: string;
  #version = -1;

  constructor(instance: WasmInstance, store: PolicyStore, bundleData: string) {
    this.#instance = instance;
    this.#store = store;
    this.#bundleData = bundleData;
  }

  sync(): void {
    if (this.#version === this.#store.version) return;
    const watched = this.#store.text([])!;
    this.#instance.setData(
      this.#bundleData === "{}" ? watched : mergeObjects(this.#bundleData, watched),
    );
    this.#version = this.#store.version;
  }
}
