import { connect, type KV, type NatsConnection } from "nats";
import {
  GenericContainer,
  getContainerRuntimeClient,
  type StartedTestContainer,
  Wait,
} from "testcontainers";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Bridge, createBridge } from "../../src/bridge.ts";
import { freePort } from "../support/ports.ts";
import { engineAvailable } from "./engine.ts";
import { NATS_IMAGE } from "./images.ts";
import { EVENTUALLY } from "./stack.ts";

const GROUP = "550e8400-e29b-41d4-a716-446655440000";

describe.runIf(await engineAvailable())(
  "the bridge with NATS in a container",
  { timeout: 300_000 },
  () => {
    let container: StartedTestContainer;
    let connection: NatsConnection;
    let kv: KV;
    let bridge: Bridge;

    beforeAll(async () => {
      // A fixed port: an engine may give a container that starts again another one of its choice.
      const port = await freePort();
      container = await new GenericContainer(NATS_IMAGE)
        .withCommand(["-js", "-sd", "/data"])
        .withExposedPorts({ container: 4222, host: port })
        .withWaitStrategy(Wait.forLogMessage("Server is ready"))
        .start();
      const url = `nats://${container.getHost()}:${port}`;
      connection = await connect({
        servers: url,
        maxReconnectAttempts: -1,
        reconnectTimeWait: 100,
      });
      kv = await connection.jetstream().views.kv(GROUP);
      await kv.put("metadata", JSON.stringify({ id: GROUP, active: true }));
      await kv.put(
        "permissions.pay",
        JSON.stringify({ resource: "invoice", action: "pay", roles: ["admin"], effect: "allow" }),
      );
      bridge = await createBridge({
        nats: { server_url: url, reconnect_wait: "100ms" },
        bundle: { file: "examples/groups/bundle.tar.gz" },
      });
    });

    afterAll(async () => {
      await bridge?.close();
      await connection?.close();
      await container?.stop();
    });

    async function handle() {
      const { container: containers } = await getContainerRuntimeClient();
      return containers.getById(container.getId());
    }

    async function mayPay(): Promise<unknown> {
      const input = { user: "bob", group: GROUP, action: "pay", resource: "invoice" };
      return (await bridge.decide("authz/allow", input)).result;
    }

    async function becomes(role: "admin" | "viewer"): Promise<void> {
      // As often as it takes: what was under way when NATS went away gets no answer.
      await vi.waitFor(() => kv.put("members.bob", JSON.stringify({ role })), EVENTUALLY);
      await vi.waitFor(async () => expect(await mayPay()).toBe(role === "admin"), EVENTUALLY);
    }

    it("decides by what is in the bucket, and follows a change", async () => {
      await kv.put("members.bob", JSON.stringify({ role: "viewer" }));
      expect(await mayPay()).toBe(false);
      await becomes("admin");
    });

    it("answers from memory while the container is paused, and follows the bucket afterwards", async () => {
      await becomes("admin");
      const engine = await handle();
      await engine.pause();
      try {
        expect((await engine.inspect()).State.Paused).toBe(true);
        expect(await mayPay()).toBe(true);
      } finally {
        await engine.unpause();
      }
      await becomes("viewer");
    });

    it("follows the bucket again after the container was restarted", async () => {
      await becomes("admin");
      // By the engine itself: the library waits for what the log says after a time that may be later than the log's.
      await (await handle()).restart({ t: 0 });
      expect(await mayPay()).toBe(true);
      await becomes("viewer");
      await becomes("admin");
    });
  },
);
