import { defineConfig, type ViteUserConfig } from "vitest/config";

const config: ViteUserConfig = defineConfig({
  test: {
    // Integration tests start servers of their own; more workers than cores only make them slow.
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: { name: "unit", include: ["test/unit/**/*.test.ts"] },
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
    ],
  },
});

export default config;
