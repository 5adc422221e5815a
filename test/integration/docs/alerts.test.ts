import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { connect } from "nats";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { ERROR_CODES } from "../../../src/errors.ts";
import { findOnPath } from "../../../src/tools/find-tool.ts";
import { askedBy, rules, type AskedLabel } from "../../docs/alerts.ts";
import { readDocument, ROOT } from "../../docs/blocks.ts";
import { BASIC, type Service, startService } from "../server/service.ts";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";

const RULES = await rules();
/** What Prometheus adds to every series. */
const ADDED = ["instance", "job", "le"];

/** Of each metric the labels, and of each label the values. */
type Known = Map<string, Map<string, Set<string>>>;

let nats: NatsServer;
let service: Service;
let known: Known;

/** Everything that `/metrics` of a bridge shows that has lived through something. */
beforeAll(async () => {
  nats = await startNatsServer();
  const client = await connect({ servers: nats.url, maxReconnectAttempts: -1 });
  await (await client.jetstream().views.kv("root")).put("key", "1");
  service = await startService(BASIC, {
    server_url: nats.url,
    root_bucket: "root",
    reconnect_wait: "50ms",
    missing_bucket_ttl: "0",
  });
  await service.decide("basic/value", { bucket: "root", key: "key" });
  await nats.restart();
  await vi.waitFor(
    async () => {
      if (!(await metricsText()).includes("repairs_total{"))
        throw new Error("nothing was repaired");
    },
    { timeout: 30_000, interval: 50 },
  );
  await client.close();
  known = read(await metricsText());
});

afterAll(async () => {
  await service[Symbol.asyncDispose]();
  await nats.stop();
});

async function metricsText(): Promise<string> {
  return (await fetch(`${service.url}/metrics`)).text();
}

function read(text: string): Known {
  const metrics: Known = new Map();
  for (const [, name, labels = ""] of text.matchAll(/^([a-z_]\w*)(?:\{(.*)\})? /gm)) {
    const values = metrics.get(name!) ?? new Map<string, Set<string>>();
    metrics.set(name!, values);
    for (const [, label, value] of labels.matchAll(/(\w+)="([^"]*)"/g)) {
      values.set(label!, (values.get(label!) ?? new Set()).add(value!));
    }
  }
  return metrics;
}

/** Values that a label may have, and that a short life does not show. */
const MORE: Readonly<Record<string, readonly string[]>> = {
  outcome: ["defined", "undefined", ...Object.keys(ERROR_CODES)],
  code: ["200", "503"],
  from: ["source", "disk", "rollback"],
  // A test of the document holds these to the code.
  cause: [...readDocument("docs/concepts.md").matchAll(/^\| ((?:`\w+`(?:, )?)+) \|/gm)].flatMap(
    ([, cell]) => cell!.match(/\w+/g)!,
  ),
};

function isKnown(label: AskedLabel, values: Map<string, Set<string>> | undefined): boolean {
  const { name, operator, value } = label;
  const shown = values?.get(name);
  if (operator === undefined) return ADDED.includes(name) || shown !== undefined;
  if (shown === undefined) return false;
  const all = [...shown, ...(MORE[name] ?? [])];
  const wanted = operator.includes("~") ? value!.split("|") : [value!];
  return wanted.every((one) => all.includes(one));
}

const promtool = await findOnPath("promtool");

describe("docs/alerts.yaml", () => {
  it.skipIf(promtool === undefined)("fires where something is wrong, and only there", async () => {
    const file = `${ROOT}test/docs/alerts.promtool.yaml`;
    // It fails, and says what was expected, with a code of its own.
    const { stdout, stderr } = await promisify(execFile)(promtool!, ["test", "rules", file]);
    expect(stdout + stderr).toContain("SUCCESS");
  });

  it.each(RULES)("$alert asks for what /metrics of a real bridge shows", ({ expr }) => {
    const asked = askedBy(expr);
    expect(asked.length).toBeGreaterThan(0);
    for (const { metric, labels } of asked) {
      expect([metric, known.has(metric)]).toEqual([metric, true]);
      const unknown = labels.filter((label) => !isKnown(label, known.get(metric)));
      expect([metric, unknown]).toEqual([metric, []]);
    }
  });

  it.each(RULES)(
    "$alert says in its summary what its expression keeps",
    ({ expr, annotations }) => {
      const used = [...annotations["summary"]!.matchAll(/\$labels\.(\w+)/g)].map(
        ([, name]) => name!,
      );
      expect(used).toContain("instance");
      const kept = askedBy(expr).flatMap(({ metric, labels }) => {
        const grouped = labels.filter(({ operator }) => operator === undefined);
        if (/\bby\b/.test(expr)) return grouped.map(({ name }) => name);
        return ["instance", ...(known.get(metric)?.keys() ?? [])];
      });
      expect(used.filter((name) => !kept.includes(name))).toEqual([]);
    },
  );
});

describe("docs/metrics.md", () => {
  it("has every metric of the bridge's own", async () => {
    const types = [...(await metricsText()).matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name!);
    const own = types.filter((name) => /^(nats_opa_bridge|http)_/.test(name));
    const documented = [...readDocument("docs/metrics.md").matchAll(/^\| `([a-z_]+)`/gm)];
    expect(documented.map(([, name]) => name!).toSorted()).toEqual(own.toSorted());
    expect(own.length).toBeGreaterThan(20);
  });
});
