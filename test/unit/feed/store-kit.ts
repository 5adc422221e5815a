import { PolicyStore } from "../../../src/store/policy-store.ts";

/** A store with one writer per bucket, whose every value is another. */
export class Writer {
  readonly store: PolicyStore;
  readonly #owners = new Map<string, object>();
  #revision = 0;

  constructor(store: PolicyStore = new PolicyStore()) {
    this.store = store;
  }

  async mount(bucket: string, keys: readonly string[] = []): Promise<void> {
    const owner = {};
    this.#owners.set(bucket, owner);
    const document = this.store.createDocument(bucket);
    for (const key of keys) document.apply({ key, ...this.#next() });
    await this.store.transact((tx) => tx.mount(bucket, owner, document));
  }

  async unmount(bucket: string): Promise<void> {
    const owner = this.#owners.get(bucket);
    if (owner !== undefined) await this.store.transact((tx) => tx.unmount(bucket, owner));
  }

  /** One commit; does nothing when the bucket is not mounted. */
  async put(bucket: string, ...keys: readonly string[]): Promise<void> {
    if (!this.store.hasBucket(bucket)) return;
    const changes = keys.map((key) => ({ key, ...this.#next() }));
    await this.store.transact((tx) => tx.change(bucket, this.#owners.get(bucket)!, changes));
  }

  /** One commit with a value as it is given. */
  async putText(bucket: string, key: string, text: string): Promise<void> {
    const change = { key, revision: ++this.#revision, value: { text, kind: "json" as const } };
    await this.store.transact((tx) => tx.change(bucket, this.#owners.get(bucket)!, [change]));
  }

  async delete(bucket: string, ...keys: readonly string[]): Promise<void> {
    if (!this.store.hasBucket(bucket)) return;
    const changes = keys.map((key) => ({ key, revision: ++this.#revision }));
    await this.store.transact((tx) => tx.change(bucket, this.#owners.get(bucket)!, changes));
  }

  #next(): { revision: number; value: { text: string; kind: "json" } } {
    this.#revision++;
    return { revision: this.#revision, value: { text: String(this.#revision), kind: "json" } };
  }
}
