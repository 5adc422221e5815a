import { defineConfig, type ViteUserConfig } from "vitest/config";

const config: ViteUserConfig = defineConfig({
  test: {
    // Integration tests start servers of their own; more workers than cores only make them slow.
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts"],
          // Seconds are enough, but a busy machine may take several times as long.
          testTimeout: 30_000,
        },
      },
      {
        extends: true,
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts"],
          globalSetup: "test/support/provide-nats-server.ts",
          testTimeout: 30_000,
          hookTimeout: 60_000,
          // Processes rather than threads, so that the signal of a worker's end reaches its servers.
          pool: "forks",
        },
      },
      {
        // Packs the package and installs it from the registry, so it is no part of `npm test`.
        extends: true,
        test: {
          name: "package",
          include: ["test/package/**/*.test.ts"],
          globalSetup: ["test/support/provide-nats-server.ts", "test/package/pack.ts"],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          pool: "forks",
        },
      },
      {
        // Needs a container engine, so it is no part of `npm test`.
        extends: true,
        test: {
          name: "container",
          include: ["test/container/**/*.test.ts"],
          testTimeout: 60_000,
          // Images may have to be pulled first.
          hookTimeout: 300_000,
        },
      },
    ],
  },
});

export default config;
