import { BridgeError, quote } from "../errors.ts";
import type { BundleStatus } from "./bundle-status.ts";
import type { BundleFollower } from "./follower.ts";

/** All the bundles that the configuration names. */
export class BundleManager {
  readonly #followers: ReadonlyMap<string, BundleFollower>;
  /** Names, the one that was activated last at the end. */
  readonly #order: string[] = [];

  /** @hidden Each follower's `onActivated` must call {@link activated}. */
  constructor(followers: readonly BundleFollower[]) {
    this.#followers = new Map(followers.map((follower) => [follower.name, follower]));
  }

  /**
   * @hidden Part of `createBridge`.
   *
   * Begins to follow all bundles. `local` resolves when those of this machine are active, `all` when every one is;
   * each rejects with why the first attempt at one has failed, and the attempts go on.
   */
  start(): { readonly local: Promise<void>; readonly all: Promise<void> } {
    const followers = [...this.#followers.values()];
    const locals = followers.filter(({ isLocal }) => isLocal);
    const started = { local: whenAll(locals), all: whenAll(followers) };
    // Whoever waits only for one of the two has nobody to tell of the other.
    for (const each of Object.values(started)) each.catch(() => undefined);
    return started;
  }

  /** @hidden To be told that a bundle was activated. */
  activated(name: string): void {
    const index = this.#order.indexOf(name);
    if (index >= 0) this.#order.splice(index, 1);
    this.#order.push(name);
    for (const follower of this.#followers.values()) if (follower.name !== name) follower.retry();
  }

  /** The names of those that were never activated. */
  get waiting(): string[] {
    return [...this.#followers.values()]
      .filter(({ isActive }) => !isActive)
      .map(({ name }) => name);
  }

  /** By name. */
  status(): Readonly<Record<string, BundleStatus>> {
    return Object.fromEntries(
      [...this.#followers].map(([name, follower]) => [name, follower.status()]),
    );
  }

  /**
   * Goes back to the bundle before; without a name, of the bundle that was activated last. Rejects with
   * `BUNDLE_NO_PREVIOUS`, or as an activation does; then everything goes on as before.
   */
  async rollback(name: string | undefined = this.#order.at(-1)): Promise<void> {
    const follower = name === undefined ? undefined : this.#followers.get(name);
    if (follower !== undefined) return follower.rollback();
    const known = [...this.#followers.keys()].map(quote).join(", ") || "none";
    const what = name === undefined ? "No bundle is active" : `There is no bundle ${quote(name)}`;
    throw new BridgeError("BUNDLE_NO_PREVIOUS", `${what}; the configuration has: ${known}.`);
  }

  /** Safe in any state, any number of times; nothing is activated afterwards. */
  async stop(): Promise<void> {
    await Promise.all([...this.#followers.values()].map((follower) => follower.stop()));
  }
}

async function whenAll(followers: readonly BundleFollower[]): Promise<void> {
  await Promise.all(followers.map((follower) => follower.start()));
}
