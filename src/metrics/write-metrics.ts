import type { Registry } from "prom-client";
import type { WriteFigures } from "../writes/write-through.ts";
import { gauge, labelled } from "./series.ts";

/** Metrics of what is written to buckets; where that is off, all are 0. */
export function writeMetrics(registry: Registry, read: () => WriteFigures | undefined): void {
  labelled(registry, "writes_total", "Writes, by what came of them.", "outcome", () => {
    const { stored = 0, replayed = 0, conflicts = 0, refused = 0, dropped = 0 } = read() ?? {};
    return { stored, replayed, conflict: conflicts, refused, dropped };
  });
  gauge(registry, "writes_waiting", "Writes that wait for NATS.", () => read()?.waiting ?? 0);
  gauge(registry, "writes_waiting_bytes", "Their bytes, roughly.", () => read()?.bytes ?? 0);
  gauge(
    registry,
    "writes_blocked_buckets",
    "Buckets that can't be written although NATS is connected.",
    () => read()?.blocked ?? 0,
  );
}
