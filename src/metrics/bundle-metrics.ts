import { Counter, Gauge, type Registry } from "prom-client";
import type { BundleStatus } from "../bundles/bundle-status.ts";

/** Metrics of the bundles, read from their status when they are asked for. The configuration names them all. */
export function bundleMetrics(
  registry: Registry,
  read: () => Readonly<Record<string, BundleStatus>>,
): void {
  const registers = [registry];
  const active = new Gauge({
    name: "nats_opa_bridge_bundle_active",
    help: "1 for a bundle that is active, and where it comes from: source, disk or rollback.",
    labelNames: ["bundle", "from"],
    registers,
    collect: () => {
      active.reset();
      for (const { name: bundle, active_from: from } of Object.values(read())) {
        if (from !== undefined) active.set({ bundle, from }, 1);
      }
    },
  });
  counter("activations", "Activations of bundles.", ({ activations }) => activations);
  counter("failures", "Attempts at a bundle that have failed.", ({ failures }) => failures);

  function counter(name: string, help: string, value: (status: BundleStatus) => number): void {
    const metric: Counter = new Counter({
      name: `nats_opa_bridge_bundle_${name}_total`,
      help,
      labelNames: ["bundle"],
      registers,
      collect: () => {
        metric.reset();
        for (const status of Object.values(read()))
          metric.inc({ bundle: status.name }, value(status));
      },
    });
  }
}
