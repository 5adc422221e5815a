import { provideTool } from "../../src/tools/provide-tool.ts";

/** Once before the integration tests: has nats-server installed, so that no test's time goes into it. */
export default async function setup(): Promise<void> {
  await provideTool("nats-server");
}
