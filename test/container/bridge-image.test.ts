import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type KV, type NatsConnection } from "nats";
import {
  GenericContainer,
  getContainerRuntimeClient,
  Network,
  type StartedNetwork,
  type StartedTestContainer,
  Wait,
} from "testcontainers";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { freePort } from "../support/ports.ts";
import { engineAvailable } from "./engine.ts";
import { bridgeImage, NATS_IMAGE } from "./images.ts";
import { ask, EVENTUALLY } from "./stack.ts";

const GROUP = "550e8400-e29b-41d4-a716-446655440000";
const CONFIG = {
  plugins: { nats: { server_url: "nats://nats:4222", reconnect_wait: "250ms" } },
  bundles: { authz: { file: "/app/examples/groups/bundle.tar.gz" } },
  server: { addr: "0.0.0.0:8181" },
};

/** As little as a container can be given. */
class BareContainer extends GenericContainer {
  constructor(image: string) {
    super(image);
    this.hostConfig.ReadonlyRootfs = true;
    this.withDroppedCapabilities("ALL").withSecurityOpt("no-new-privileges:true");
  }
}

describe.runIf(await engineAvailable())("the bridge's image", { timeout: 300_000 }, () => {
  let directory: string;
  /** Between the tests and NATS; the other one is between NATS and the bridge, and can be cut. */
  let front: StartedNetwork;
  let back: StartedNetwork;
  let nats: StartedTestContainer;
  let bridge: StartedTestContainer;
  let url: string;
  let writer: NatsConnection;
  let kv: KV;
  let startedAt: string;

  beforeAll(async () => {
    const image = await bridgeImage();
    directory = await mkdtemp(join(tmpdir(), "bridge-image-"));
    const config = join(directory, "config.json");
    await writeFile(config, JSON.stringify(CONFIG));
    [front, back] = await Promise.all([new Network().start(), new Network().start()]);
    // A fixed port: an engine may give a container that starts again another one of its choice.
    const port = await freePort();
    nats = await new GenericContainer(NATS_IMAGE)
      .withCommand(["-js", "-sd", "/data"])
      .withNetwork(front)
      .withExposedPorts({ container: 4222, host: port })
      .withWaitStrategy(Wait.forLogMessage("Server is ready"))
      .start();
    await connectTo(nats, back);
    writer = await connect({
      servers: `nats://${nats.getHost()}:${port}`,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 100,
    });
    kv = await writer.jetstream().views.kv(GROUP);
    await put("metadata", { active: true });
    await put("permissions.pay", {
      resource: "invoice",
      action: "pay",
      roles: ["admin"],
      effect: "allow",
    });
    await put("members.alice", { role: "admin" });
    bridge = await new BareContainer(image)
      .withNetwork(back)
      .withExposedPorts(8181)
      .withBindMounts([{ source: config, target: "/etc/nats-opa-bridge/config.yaml", mode: "ro" }])
      .withWaitStrategy(Wait.forHealthCheck())
      .start();
    url = `http://${bridge.getHost()}:${bridge.getMappedPort(8181)}`;
    startedAt = (await inspect(bridge)).State.StartedAt;
  });

  afterAll(async () => {
    await writer?.close();
    await bridge?.stop();
    await nats?.stop();
    await front?.stop();
    await back?.stop();
    if (directory !== undefined) await rm(directory, { recursive: true });
  });

  async function engine() {
    return getContainerRuntimeClient();
  }

  async function handle(container: StartedTestContainer) {
    return (await engine()).container.getById(container.getId());
  }

  async function inspect(container: StartedTestContainer) {
    return (await handle(container)).inspect();
  }

  /** With the name by which the bridge knows it. */
  async function connectTo(
    container: StartedTestContainer,
    network: StartedNetwork,
  ): Promise<void> {
    const networks = (await engine()).network;
    await networks.getById(network.getId()).connect({
      Container: container.getId(),
      EndpointConfig: { Aliases: ["nats"] },
    });
  }

  async function cutFrom(container: StartedTestContainer, network: StartedNetwork): Promise<void> {
    const networks = (await engine()).network;
    await networks.getById(network.getId()).disconnect({ Container: container.getId() });
  }

  /** As often as it takes: what was under way when NATS went away gets no answer. */
  async function put(key: string, value: object): Promise<void> {
    await vi.waitFor(() => kv.put(key, JSON.stringify(value)), EVENTUALLY);
  }

  async function mayPay(user: string): Promise<unknown> {
    return ask(url, "authz/allow", { user, group: GROUP, action: "pay", resource: "invoice" });
  }

  async function write(role: "admin" | "viewer"): Promise<void> {
    await put("members.bob", { role });
  }

  async function shown(role: "admin" | "viewer"): Promise<void> {
    await vi.waitFor(async () => expect(await mayPay("bob")).toBe(role === "admin"), EVENTUALLY);
  }

  /** What holds whatever has happened. */
  async function follows(): Promise<void> {
    for (const role of ["admin", "viewer", "admin"] as const) {
      await write(role);
      await shown(role);
    }
    expect(await mayPay("alice")).toBe(true);
    expect(await mayPay("mallory")).toBe(false);
    const { State, RestartCount } = await inspect(bridge);
    expect({ startedAt: State.StartedAt, restarts: RestartCount }).toEqual({
      startedAt,
      restarts: 0,
    });
  }

  async function disconnected(): Promise<void> {
    await vi.waitFor(async () => {
      const response = await fetch(`${url}/v1/status`);
      const { result } = (await response.json()) as { result: { nats: { state: string } } };
      expect(result.nats.state).not.toBe("connected");
    }, EVENTUALLY);
  }

  it("is healthy as an ordinary user who may do and change nothing", async () => {
    const { State, HostConfig } = await inspect(bridge);
    expect(State.Health?.Status).toBe("healthy");
    expect(HostConfig).toMatchObject({ ReadonlyRootfs: true, CapDrop: ["ALL"] });
    const { output } = await bridge.exec(["node", "-p", READ_STATUS]);
    expect(JSON.parse(output)).toEqual({
      users: ["1000", "1000", "1000", "1000"],
      capabilities: ["0000000000000000"],
      writing: "EROFS",
    });
  });

  it("decides by what is in the bucket, and follows a change", follows);

  it("answers while NATS is paused, and follows the bucket afterwards", async () => {
    await follows();
    const paused = await handle(nats);
    await paused.pause();
    try {
      expect((await inspect(nats)).State.Paused).toBe(true);
      expect([await mayPay("bob"), await mayPay("mallory")]).toEqual([true, false]);
    } finally {
      await paused.unpause();
    }
    await follows();
  });

  it("answers after NATS was killed, and follows the bucket once it is there again", async () => {
    await follows();
    const killed = await handle(nats);
    await killed.kill();
    await disconnected();
    expect([await mayPay("bob"), await mayPay("mallory")]).toEqual([true, false]);
    await killed.start();
    await follows();
  });

  it("sees a key that was changed while NATS could not be reached", async () => {
    await follows();
    await cutFrom(nats, back);
    try {
      await disconnected();
      await write("viewer");
      expect([await mayPay("bob"), await mayPay("mallory")]).toEqual([true, false]);
    } finally {
      await connectTo(nats, back);
    }
    await shown("viewer");
    await follows();
  });

  it("sees a key that was changed while the bridge was paused", async () => {
    await follows();
    const paused = await handle(bridge);
    await paused.pause();
    try {
      await write("viewer");
      expect((await inspect(bridge)).State.Paused).toBe(true);
    } finally {
      await paused.unpause();
    }
    await shown("viewer");
    await follows();
  });

  it("ends with code 0 on SIGTERM", async () => {
    await follows();
    // Docker kills what has not ended after 10 seconds, which gives 137.
    await (await handle(bridge)).stop({ t: 10 });
    expect((await inspect(bridge)).State).toMatchObject({ Status: "exited", ExitCode: 0 });
  });
});

/** The rights of the service, and what comes of writing. */
const READ_STATUS = `
  const field = (name) => new RegExp("^" + name + ":\\\\s+(.*)$", "m").exec(status)[1].split(/\\s+/);
  const status = fs.readFileSync("/proc/1/status", "utf8");
  let writing = "allowed";
  try { fs.writeFileSync("/app/file", ""); } catch (error) { writing = error.code; }
  JSON.stringify({ users: field("Uid"), capabilities: field("CapEff"), writing });
`;
