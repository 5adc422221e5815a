import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect } from "nats";
import { expect } from "vitest";
import { parseAllDocuments } from "yaml";
import { createBridge } from "../../src/bridge.ts";
import { loadConfig } from "../../src/config/load.ts";
import { startServer } from "../../src/server/server.ts";
import { scratch } from "../integration/cli/cli.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { type Block, ROOT } from "./blocks.ts";
import { isFlag } from "./commands.ts";

/** How long decision events, and then buffered writes, may take when the bridge stops, in milliseconds. */
const DELIVERY_MS = 5_000;
const BUNDLE = join(ROOT, "examples/groups/bundle.tar.gz");

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}

interface Container {
  readonly args: readonly string[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly startupProbe: Probe;
  readonly livenessProbe: Probe;
  readonly readinessProbe: Probe;
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
}

interface Selector {
  readonly matchLabels: Readonly<Record<string, string>>;
}

interface Deployment {
  readonly spec: {
    readonly selector: Selector;
    readonly template: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: {
        readonly terminationGracePeriodSeconds: number;
        readonly containers: readonly [Container];
        readonly volumes: readonly { readonly name: string }[];
      };
    };
  };
}

/** The manifests fit together, their configuration is accepted, and a real service answers their probes. */
export async function deploys({ text }: Block): Promise<void> {
  const documents = parseAllDocuments(text);
  expect(documents.flatMap((document) => [...document.errors, ...document.warnings])).toEqual([]);
  const manifests = documents.map((document) => document.toJS() as { readonly kind: string });
  const ofKind = (kind: string): unknown => manifests.find((one) => one.kind === kind);
  const { data } = ofKind("ConfigMap") as { data: Record<string, string> };
  const { selector, template } = (ofKind("Deployment") as Deployment).spec;
  const budget = ofKind("PodDisruptionBudget") as { spec: { selector: Selector } };
  const [container] = template.spec.containers;

  expect(template.metadata.labels).toMatchObject(selector.matchLabels);
  expect(budget.spec.selector).toEqual(selector);
  const volumes = template.spec.volumes.map(({ name }) => name);
  expect(container.volumeMounts.map(({ name }) => name)).toEqual(volumes);
  const [command, flag, file] = container.args;
  expect([command, isFlag(flag!)]).toEqual(["serve", true]);
  const mounted = container.volumeMounts.map(({ mountPath }) => `${mountPath}/config.yaml`);
  expect(mounted).toContain(file);

  await using dir = await scratch();
  await writeFile(join(dir.path, "config.yaml"), data["config.yaml"]!);
  const config = await loadConfig(join(dir.path, "config.yaml"), { env: {} });
  expect(config.warnings).toEqual([]);
  const { server } = config;
  const port = { name: "http", containerPort: server.port };
  expect([server.host, container.ports]).toEqual(["0.0.0.0", [port]]);
  const needsMs = server.shutdownWaitMs + server.shutdownGraceMs + 2 * DELIVERY_MS;
  expect(template.spec.terminationGracePeriodSeconds * 1_000).toBeGreaterThan(needsMs);
  expect(server.shutdownWaitMs).toBeGreaterThan(0);
  await answersProbes(container);
}

/** Not ready without the root bucket, ready with it, and not ready while it stops; alive all the time. */
async function answersProbes(container: Container): Promise<void> {
  const { startupProbe, livenessProbe, readinessProbe } = container;
  const probes = [startupProbe, livenessProbe, readinessProbe].map(({ httpGet }) => httpGet);
  expect(new Set(probes.map(({ port }) => port))).toEqual(new Set(["http"]));
  await using dir = await scratch();
  const tokenFile = join(dir.path, "tokens");
  await writeFile(tokenFile, "secret\n");
  await using nats = await startNatsServer();
  await using bridge = await createBridge({
    nats: { server_url: nats.url, root_bucket: "root", retry_on_failed_connect: true },
    bundle: { file: BUNDLE },
  });
  // With authentication, too: Kubernetes shows no token.
  const service = await startServer(bridge, {
    ...bridge.config.server,
    host: "127.0.0.1",
    port: 0,
    authentication: "token",
    tokenFile,
  });
  try {
    const ask = (): Promise<number[]> =>
      Promise.all(probes.map(async ({ path }) => (await fetch(service.url + path)).status));
    expect(await ask()).toEqual([200, 200, 503]);
    const client = await connect({ servers: nats.url });
    await (await client.jetstream().views.kv("root")).put("key", "1");
    await client.close();
    await expect.poll(ask, { timeout: 20_000 }).toEqual([200, 200, 200]);
    service.drain();
    expect(await ask()).toEqual([200, 200, 503]);
  } finally {
    await service.close();
  }
}
