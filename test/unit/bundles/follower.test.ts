import { readFile } from "node:fs/promises";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { deferred } from "../../../src/common/async.ts";
import { BundleFollower, type FollowerOptions } from "../../../src/bundles/follower.ts";
import { BundleManager } from "../../../src/bundles/manager.ts";
import type { BundleSource, Found } from "../../../src/bundles/source.ts";
import { silentLogger } from "../../../src/common/logger.ts";
import { BridgeError } from "../../../src/errors.ts";
import { type Bundle, bundleFilesOf } from "../../../src/policy/bundle.ts";

import { revised } from "../../support/pack-bundle.ts";

const TEAMS = "test/policies/roots/teams/bundle.tar.gz";

/** A source that has what the test gives it, and tells how long it was told to wait. */
class GivenSource implements BundleSource {
  readonly isLocal: boolean;
  readonly maxRetryMs = 4_000;
  /** Of each pause; undefined after a look that did not fail. */
  readonly pauses: (number | undefined)[] = [];
  #given: () => Promise<Found | undefined>;
  #go = deferred();

  constructor(given: () => Promise<Found | undefined>, isLocal = true) {
    this.#given = given;
    this.isLocal = isLocal;
  }

  look(): Promise<Found | undefined> {
    return this.#given();
  }

  async pause(signal: AbortSignal, afterFailureMs?: number): Promise<void> {
    this.pauses.push(afterFailureMs);
    const end = (): void => this.#go.resolve();
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
    await this.#go.promise;
    this.#go = deferred();
  }

  /** Has this from now on, and is asked for it. */
  async give(given: () => Promise<Found | undefined>): Promise<void> {
    this.#given = given;
    const { length } = this.pauses;
    this.#go.resolve();
    while (this.pauses.length === length) await nextTurn();
  }

  stop(): void {}
}

const gone = (): Promise<never> =>
  Promise.reject(new BridgeError("BUNDLE_DOWNLOAD", "It is gone; bring it back."));

async function good(): Promise<Found> {
  const bytes = await readFile(TEAMS);
  return {
    version: "1",
    load: async () => ({ files: await bundleFilesOf(bytes, TEAMS, {}), bytes }),
  };
}

function followerOf(source: BundleSource, more: Partial<FollowerOptions> = {}): BundleFollower {
  return new BundleFollower({
    name: "teams",
    source,
    maxBytes: 2 ** 20,
    verify: () => Promise.resolve(),
    activate: () => Promise.resolve(),
    onActivated: () => undefined,
    logger: silentLogger,
    ...more,
  });
}

describe("a source that fails", () => {
  it("is asked less and less often, and as before once it has answered", async () => {
    const source = new GivenSource(gone);
    const follower = followerOf(source);
    await expect(follower.start()).rejects.toMatchObject({ code: "BUNDLE_DOWNLOAD" });
    while (source.pauses.length === 0) await nextTurn();
    for (let count = 0; count < 5; count++) await source.give(gone);
    await source.give(good);
    await source.give(() => Promise.resolve(undefined));
    await source.give(gone);
    await follower.stop();
    const most = [500, 1_000, 2_000, 4_000, 4_000, 4_000, undefined, undefined, 500];
    // Half of it is random.
    const isWithin = most.map((ms, index) => {
      const pause = source.pauses[index];
      return ms === undefined || pause === undefined
        ? pause === ms
        : pause >= ms / 2 && pause <= ms;
    });
    expect(source.pauses).toHaveLength(most.length);
    expect(isWithin).not.toContain(false);
  });
});

describe("a failure", () => {
  it("is logged as a warning once, and again only when it is another", async () => {
    const warnings: string[] = [];
    const logger = { ...silentLogger, warn: (_: object, text: string) => void warnings.push(text) };
    const source = new GivenSource(gone, false);
    const follower = followerOf(source, { logger });
    await expect(follower.start()).rejects.toMatchObject({ code: "BUNDLE_DOWNLOAD" });
    await source.give(gone);
    await source.give(gone);
    expect(warnings).toEqual([expect.stringContaining("It is gone")]);
    await source.give(() => Promise.reject(new BridgeError("BUNDLE_DOWNLOAD", "It is elsewhere.")));
    await source.give(gone);
    expect(warnings).toHaveLength(3);
    expect(follower.status().failures).toBe(5);
    await follower.stop();
  });
});

describe("going back without a name", () => {
  it("is for the bundle that was activated last, which need not be the one that came last", async () => {
    const sources = { a: new GivenSource(good), b: new GivenSource(good) };
    const manager: BundleManager = new BundleManager(
      (["a", "b"] as const).map((name) =>
        followerOf(sources[name], { name, onActivated: () => manager.activated(name) }),
      ),
    );
    await manager.start().all;
    for (const name of ["b", "a"] as const) {
      const bytes = await revised(TEAMS, `${name}-2`);
      const load = async () => ({ files: await bundleFilesOf(bytes, name, {}), bytes });
      await sources[name].give(() => Promise.resolve({ version: "2", load }));
    }
    await manager.rollback();
    expect(manager.status()).toMatchObject({
      a: { active_revision: "teams-1", active_from: "rollback" },
      b: { active_revision: "b-2", active_from: "source" },
    });
    await manager.stop();
  });
});

describe("a bundle that was refused", () => {
  const refuse = (): Promise<never> =>
    Promise.reject(new BridgeError("BUNDLE_ROOTS", "It is in the way; move it."));

  it("stays the reason in the status while the source has nothing else", async () => {
    const source = new GivenSource(good);
    const follower = followerOf(source, { activate: refuse });
    await expect(follower.start()).rejects.toMatchObject({ code: "BUNDLE_ROOTS" });
    await source.give(() => Promise.resolve(undefined));
    await source.give(() => Promise.resolve(undefined));
    expect(follower.status()).toMatchObject({
      code: "bundle_error",
      message: "It is in the way; move it.",
      failures: 1,
      activations: 0,
    });
    await follower.stop();
  });

  it("is tried again when that is asked for, and no more after the stop", async () => {
    const attempts: Bundle[] = [];
    const activate = (bundle: Bundle): Promise<never> => {
      attempts.push(bundle);
      return refuse();
    };
    const source = new GivenSource(good);
    const follower = followerOf(source, { activate });
    await expect(follower.start()).rejects.toMatchObject({ code: "BUNDLE_ROOTS" });
    follower.retry();
    while (attempts.length < 2) await nextTurn();
    await follower.stop();
    follower.retry();
    await follower.stop();
    expect(attempts).toHaveLength(2);
  });
});

describe("the start of all bundles", () => {
  const unhandled: unknown[] = [];
  const keep = (reason: unknown): void => void unhandled.push(reason);
  beforeEach(() => void process.on("unhandledRejection", keep));
  afterEach(() => {
    process.off("unhandledRejection", keep);
    unhandled.length = 0;
  });

  it.each(["local", "all"] as const)(
    "fails with the reason for who waits for %s, and with nobody else's",
    async (which) => {
      const follower = followerOf(new GivenSource(gone));
      const manager = new BundleManager([follower]);
      await expect(manager.start()[which]).rejects.toMatchObject({ code: "BUNDLE_DOWNLOAD" });
      // Node tells of a rejection that nobody handles once the promises at hand are done.
      await nextTurn();
      await nextTurn();
      expect(unhandled).toEqual([]);
      await manager.stop();
    },
  );
});
