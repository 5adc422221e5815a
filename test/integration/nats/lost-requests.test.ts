import { connect } from "nats";
import { expect, it, vi } from "vitest";
import { deferred } from "../../../src/common/async.ts";
import type { BucketEntry } from "../../../src/nats/bucket-source.ts";
import { startNatsServer } from "../../support/nats-server.ts";
import { watchServer } from "../watch/support.ts";
import { author, follow, RecordingSink } from "./bucket-kit.ts";
import { connectedLink } from "./link-kit.ts";

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

it("C1 a consumer whose making was not answered for is not asked for again once it has delivered", async () => {
  await using nats = await startNatsServer({ config: leadingTo("relay") });
  await using writer = await author(nats.url);
  await (await writer.create("team")).put("a", "1");
  let asked = 0;
  writer.connection.subscribe("relay", {
    callback: (_, { data }) => {
      // Made under a name of its own, which makes it another subject; the answer goes nowhere.
      const name = `relayed-${++asked}`;
      const request = JSON.parse(Buffer.from(data).toString()) as { config: object };
      const named = { ...request, config: { ...request.config, name } };
      writer.connection.publish(`${REQUEST}.${name}`, JSON.stringify(named));
    },
  });
  await writer.connection.flush();
  let askedUntilHeard = 0;
  class Sink extends RecordingSink {
    override entry(entry: BucketEntry): void {
      super.entry(entry);
      askedUntilHeard = asked;
    }
  }
  await using link = await connectedLink(nats.url);
  const sink = follow(link, "team", new Sink());
  const { code } = await sink.ending.promise;
  expect([code, sink.calls]).toEqual(["NATS_TIMEOUT", ["opened", "put a", "ended"]]);
  // A slow server may have been asked more than once before it delivered.
  expect(askedUntilHeard).toBeGreaterThan(0);
  expect(asked).toBe(askedUntilHeard);
});
