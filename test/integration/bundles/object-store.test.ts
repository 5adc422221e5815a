import { readFile } from "node:fs/promises";
import type { ObjectStore } from "nats";
import { describe, expect, it, vi } from "vitest";
import { type Bridge, createBridge } from "../../../src/bridge.ts";
import { bundleWith, revised } from "../../support/pack-bundle.ts";
import { sharedNats } from "../../support/shared-nats.ts";
import { TEAMS } from "./kit.ts";

const SOON = { timeout: 8_000, interval: 10 };

const shared = sharedNats();

async function put(store: ObjectStore, bytes: Buffer): Promise<void> {
  await store.putBlob({ name: "authz/teams.tar.gz" }, new Uint8Array(bytes));
}

function bridgeOn(store: string): Promise<Bridge> {
  return createBridge({
    nats: { server_url: shared.nats.url, reconnect_wait: "50ms" },
    bundles: { teams: { resource: `nats://${store}/authz/teams.tar.gz` } },
  });
}

function activeIn(bridge: Bridge): string | undefined {
  return bridge.status().bundles["teams"]?.active_revision;
}

describe("a bundle in a NATS object store", () => {
  it("P5 reaches the bridge as soon as it is put, also after a bad one and after an outage", async () => {
    const store = await shared.client.jetstream().views.os("policies");
    await put(store, await readFile(TEAMS));
    await using bridge = await bridgeOn("policies");
    expect(await bridge.decide("teams/authz/allow", { user: "alice" })).toEqual({ result: true });
    const start = performance.now();
    await put(store, await revised(TEAMS, "teams-2"));
    await vi.waitFor(() => expect(activeIn(bridge)).toBe("teams-2"), SOON);
    expect(performance.now() - start).toBeLessThan(3_000);
    await put(store, await bundleWith(TEAMS, { "policy.wasm": "no module" }));
    await vi.waitFor(
      () => expect(bridge.status().bundles["teams"]?.code).toBe("bundle_error"),
      SOON,
    );
    await put(store, await revised(TEAMS, "teams-3"));
    await vi.waitFor(() => expect(activeIn(bridge)).toBe("teams-3"), SOON);
    await shared.nats.restart();
    await vi.waitFor(() => expect(bridge.health().nats).toBe("connected"), SOON);
    await vi.waitFor(() => put(store, Buffer.alloc(0)), SOON);
    await vi.waitFor(
      () => expect(bridge.status().bundles["teams"]?.code).toBe("bundle_error"),
      SOON,
    );
    await put(store, await revised(TEAMS, "teams-4"));
    await vi.waitFor(() => expect(activeIn(bridge)).toBe("teams-4"), SOON);
    await bridge.rollback("teams");
    expect(activeIn(bridge)).toBe("teams-3");
  }, 40_000);

  it("that is not there is refused at the start, and no store is made of it", async () => {
    await expect(bridgeOn("nowhere")).rejects.toMatchObject({
      code: "BUNDLE_DOWNLOAD",
      message: expect.stringMatching(/"nowhere" can't be had \(stream not found\)/) as string,
    });
    const manager = await shared.client.jetstreamManager();
    await expect(manager.streams.info("OBJ_nowhere")).rejects.toThrow(/not found/);
    await shared.client.jetstream().views.os("empty");
    await expect(bridgeOn("empty")).rejects.toMatchObject({
      code: "BUNDLE_DOWNLOAD",
      message: expect.stringContaining("There is no object") as string,
    });
  });

  it("that is put later, or taken away, is noticed as it happens", async () => {
    const store = await shared.client.jetstream().views.os("later");
    await using bridge = await createBridge({
      nats: { server_url: shared.nats.url, retry_on_failed_connect: true },
      bundles: { teams: { resource: "nats://later/authz/teams.tar.gz" } },
    });
    await vi.waitFor(
      () => expect(bridge.status().bundles["teams"]?.failures).toBeGreaterThan(0),
      SOON,
    );
    expect(bridge.health()).toMatchObject({ ready: false, bundles: false });
    await put(store, await readFile(TEAMS));
    await vi.waitFor(() => expect(activeIn(bridge)).toBe("teams-1"), SOON);
    expect(bridge.health()).toMatchObject({ ready: true, bundles: true });
    await store.delete("authz/teams.tar.gz");
    await vi.waitFor(() => {
      expect(bridge.status().bundles["teams"]?.message).toContain("There is no object");
    }, SOON);
    expect(await bridge.decide("teams/authz/allow", { user: "alice" })).toEqual({ result: true });
  });

  it("whose content is not what its digest says is refused, and the old one goes on", async () => {
    const store = await shared.client.jetstream().views.os("forged");
    await put(store, await readFile(TEAMS));
    await using bridge = await bridgeOn("forged");
    const info = await store.info("authz/teams.tar.gz");
    const other = await revised(TEAMS, "forged");
    const js = shared.client.jetstream();
    await js.publish("$O.forged.C.forged", new Uint8Array(other));
    // Its length needs no padding.
    const meta = `$O.forged.M.${Buffer.from("authz/teams.tar.gz").toString("base64url")}`;
    await js.publish(
      meta,
      JSON.stringify({
        ...info,
        nuid: "forged",
        size: other.length,
        chunks: 1,
        digest: info!.digest,
      }),
    );
    await vi.waitFor(() => {
      expect(bridge.status().bundles["teams"]?.message).toContain("does not have its digest");
    }, SOON);
    expect(activeIn(bridge)).toBe("teams-1");
  });

  it("that says that it is too large is not even read; one that is a link is not followed", async () => {
    const store = await shared.client.jetstream().views.os("odd");
    await put(store, await readFile(TEAMS));
    await using bridge = await bridgeOn("odd");
    const problem = (): string | undefined => bridge.status().bundles["teams"]?.message;
    const info = await store.info("authz/teams.tar.gz");
    const meta = `$O.odd.M.${Buffer.from("authz/teams.tar.gz").toString("base64url")}`;
    await store.putBlob({ name: "real" }, new Uint8Array(await revised(TEAMS, "teams-2")));
    await store.delete("authz/teams.tar.gz");
    await store.link("authz/teams.tar.gz", (await store.info("real"))!);
    await vi.waitFor(() => expect(problem()).toContain("it is a link to another object"), SOON);
    // There is nothing of it to be read.
    const { digest } = info!;
    const endless = JSON.stringify({ ...info, nuid: "endless", size: 2 ** 40, digest });
    await shared.client.jetstream().publish(meta, endless);
    await vi.waitFor(() => expect(problem()).toContain("more than 268435456 bytes"), SOON);
    expect(activeIn(bridge)).toBe("teams-1");
  });
});
