import type { Costs, ServerCosts } from "../../fleet/cost-table.ts";

const servers: ServerCosts = {
  idle: 0.05,
  stream: 0.01,
  consumer: 20e-6,
  update: 300e-6,
  delivery: 30e-6,
  open: 2e-3,
  key: 3e-6,
};

/** Round figures of about the right size. */
export const costs: Costs = {
  healthy: servers,
  wounded: { ...servers, update: 200e-6 },
  bridge: { idle: 0.005, bucket: 0.001, update: 200e-6, open: 5e-3, key: 20e-6 },
  wire: { heartbeat: 100, update: 200, open: 2_000, key: 200 },
  peak: { key: 10e-6, update: 50e-6, keyBytes: 1_000, emptyBytes: 1e8 },
  requestsPerOpen: 5,
  request: 200e-6,
  createWall: 500e-6,
  connection: 500e-6,
  elections: [5],
};
