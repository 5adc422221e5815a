import { describe, expect, it } from "vitest";
import * as api from "../../src/index.ts";

describe("the package", () => {
  it("exports these names, and no others by accident", () => {
    expect(Object.keys(api).toSorted()).toEqual([
      "Bridge",
      "BridgeError",
      "BucketDocument",
      "BucketRules",
      "BucketStream",
      "BucketWatcher",
      "BucketWatcherManager",
      "ERROR_CODES",
      "MemoryBudget",
      "NatsLink",
      "PolicyEngine",
      "PolicyStore",
      "ReservedPaths",
      "buildApp",
      "createBridge",
      "decodeValue",
      "isBridgeError",
      "loadConfig",
      "parseBundle",
      "parseConfig",
      "readBundle",
      "startServer",
    ]);
  });
});
