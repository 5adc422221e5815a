import { connect } from "nats";
import { expect, it, vi } from "vitest";
import { deferred } from "../../../src/common/async.ts";
import { startNatsServer } from "../../support/nats-server.ts";
import { watchServer } from "../watch/support.ts";

const REQUEST = "$JS.API.CONSUMER.CREATE.KV_team";

/** Where the server hands on what asks for the bucket's consumer. */
function leadingTo(subject: string): string {
  return `mappings { "${REQUEST}": "${subject}" }`;
}

it("C1 a consumer that nobody makes is asked for again, on the same stream, before the request's time is over", async () => {
  // As if its stream had no leader.
  await using nats = await startNatsServer({ config: leadingTo("astray") });
  const client = await connect({ servers: nats.url });
  try {
    const bucket = await client.jetstream().views.kv("team");
    await bucket.put("a", "1");
    const lost = deferred();
    let asked = 0;
    client.subscribe("astray", {
      callback: () => {
        asked++;
        lost.resolve();
      },
    });
    await client.flush();
    await using watching = await watchServer(nats.url);
    const { manager, store, opened } = watching;
    const watched = manager.getOrCreateWatcher("team");
    await lost.promise;
    await nats.writeConfig(leadingTo(REQUEST));
    await nats.reload();
    await watched;
    expect(store.text(["nats", "kv", "team", "a"])).toBe("1");
    expect(asked).toBeGreaterThan(0);
    expect([opened(), manager.status().buckets[0]!.lastError]).toEqual([1, undefined]);
    // What the first question would have been answered to is heard no more; what comes now is.
    await bucket.put("a", "2");
    await vi.waitFor(() => expect(store.text(["nats", "kv", "team", "a"])).toBe("2"), 10_000);
  } finally {
    await client.close();
  }
});
