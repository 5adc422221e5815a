import type { Logger } from "../common/logger.ts";
import type { BridgeConfig, BundleConfig } from "../config/types.ts";
import type { ObjectReader } from "../nats/object-store.ts";
import type { Bundle } from "../policy/bundle.ts";
import { persistedFile } from "./disk.ts";
import { FileSource } from "./file-source.ts";
import { BundleFollower } from "./follower.ts";
import { HttpSource } from "./http-source.ts";
import { BundleManager } from "./manager.ts";
import { verifySignature } from "./signature.ts";
import { ObjectSource } from "./object-source.ts";
import type { BundleSource } from "./source.ts";

export interface BundleWiring {
  readonly activate: (bundle: Bundle, name: string) => Promise<void>;
  /** For bundles in NATS object stores. */
  readonly objects: ObjectReader;
  readonly logger: Logger;
}

/** The bundles of a configuration. */
export function bundlesOf(
  { bundles, keys, persistenceDirectory }: BridgeConfig,
  { activate, objects, logger }: BundleWiring,
): BundleManager {
  const manager: BundleManager = new BundleManager(
    bundles.map((config) => {
      const { name, source, maxBytes } = config;
      const isKept = config.persist && source.type !== "file";
      return new BundleFollower({
        name,
        source: sourceOf(config, objects),
        maxBytes,
        keptIn: isKept ? persistedFile(persistenceDirectory, name) : undefined,
        verify: (files) => verifySignature(files, name, { signing: config.signing, keys }),
        activate: (bundle) => activate(bundle, name),
        onActivated: () => manager.activated(name),
        logger,
      });
    }),
  );
  return manager;
}

function sourceOf({ source, polling, maxBytes }: BundleConfig, reader: ObjectReader): BundleSource {
  switch (source.type) {
    case "file":
      return new FileSource({ path: source.path, maxBytes });
    case "http": {
      const { url, timeoutMs } = source.access;
      const access = { ...source.access, url: new URL(url) };
      return new HttpSource({ access, timeoutMs, ...polling, maxBytes });
    }
    case "object":
      return new ObjectSource({ reader, store: source.store, object: source.object, maxBytes });
  }
}
