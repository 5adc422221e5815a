import type { Bridge } from "../../bridge.ts";
import { bundlesOf } from "../../bundles/bundles-of.ts";
import { silentLogger } from "../../common/logger.ts";
import { within } from "../../common/async.ts";
import type { BundleConfig } from "../../config/types.ts";
import { BridgeError, quote } from "../../errors.ts";
import type { NatsLink } from "../../nats/connection.ts";
import { objectsOf } from "../../nats/object-store.ts";
import { failedBy, type Finding } from "./finding.ts";

/** How long a bundle may take to come. */
const BUNDLE_MS = 30_000;

/** Whether each bundle can be had, and would answer beside the others. */
export async function checkBundles(bridge: Bridge, link: NatsLink): Promise<Finding[]> {
  const { bundles } = bridge.config;
  if (bundles.length === 0) {
    const detail =
      "There is no policy; name a bundle under bundles in the configuration, or give --bundle FILE.";
    return [{ what: "bundle", name: "", verdict: "warning", detail }];
  }
  const findings: Finding[] = [];
  for (const bundle of bundles) findings.push(await checkBundle(bridge, link, bundle));
  return findings;
}

async function checkBundle(
  { config, engine }: Bridge,
  link: NatsLink,
  bundle: BundleConfig,
): Promise<Finding> {
  const { name } = bundle;
  // What is kept on disk is the service's own.
  const alone = { ...config, bundles: [{ ...bundle, persist: false }] };
  const manager = bundlesOf(alone, {
    activate: (found, name) => engine.activate(found, name),
    objects: objectsOf(link),
    logger: silentLogger,
  });
  try {
    const { local, all } = manager.start();
    await within(BUNDLE_MS, Promise.all([local, all]), () => {
      const message = `Bundle ${quote(name)} did not come within ${BUNDLE_MS / 1_000} s; see whether its service answers.`;
      return new BridgeError("BUNDLE_UNREADABLE", message);
    });
    const revision = manager.status()[name]?.active_revision ?? "";
    const entrypoints = engine.policy?.entrypoints ?? [];
    const detail = `${revision === "" ? "no revision" : `revision ${revision}`}; decisions so far: ${entrypoints.join(", ") || "none, only data"}`;
    return { what: "bundle", name, verdict: "ok", detail };
  } catch (error) {
    return failedBy("bundle", name, error);
  } finally {
    await manager.stop();
  }
}
