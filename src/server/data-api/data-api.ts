import type { FastifyInstance } from "fastify";
import type { Bridge } from "../../bridge.ts";
import { packageVersion } from "../../common/package-version.ts";
import { batchRoutes } from "./batch-routes.ts";
import type { DataApi } from "./context.ts";
import { dataRoutes } from "./data-routes.ts";
import { decisionContexts } from "../decision-context.ts";
import { plainRoutes } from "./plain-routes.ts";

/** OPA's data API in full: `/v1/data`, `/v0/data`, `/v1/batch/data` and the default decision at `/`. */
export function dataApi(
  app: FastifyInstance,
  bridge: Bridge,
  options: Pick<DataApi, "maxBodyBytes" | "gzip" | "body">,
): void {
  const { recording } = bridge;
  const logContext = recording && decisionContexts(recording.headers);
  const api: DataApi = { ...options, bridge, version: packageVersion, logContext };
  dataRoutes(app, api);
  plainRoutes(app, api);
  batchRoutes(app, api);
}
