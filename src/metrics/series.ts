import { Counter, Gauge, type Registry } from "prom-client";

// Series whose values are read when they are asked for; their names get the bridge's prefix.

/** A value that goes up and down. */
export function gauge(registry: Registry, name: string, help: string, read: () => number): void {
  const metric: Gauge = new Gauge({
    name: `nats_opa_bridge_${name}`,
    help,
    registers: [registry],
    collect: () => metric.set(read()),
  });
}

/** A sum that only rises. */
export function counter(registry: Registry, name: string, help: string, read: () => number): void {
  const metric: Counter = new Counter({
    name: `nats_opa_bridge_${name}`,
    help,
    registers: [registry],
    collect: () => {
      metric.reset();
      metric.inc(read());
    },
  });
}

/** Sums that only rise, told apart by one label. */
export function labelled(
  registry: Registry,
  name: string,
  help: string,
  label: string,
  read: () => Readonly<Record<string, number>>,
): void {
  const metric: Counter = new Counter({
    name: `nats_opa_bridge_${name}`,
    help,
    labelNames: [label],
    registers: [registry],
    collect: () => {
      metric.reset();
      for (const [value, count] of Object.entries(read())) metric.inc({ [label]: value }, count);
    },
  });
}
