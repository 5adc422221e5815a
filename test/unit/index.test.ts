import { describe, expect, it } from "vitest";
import * as api from "../../src/index.ts";

describe("the package", () => {
  it("exports these names, and no others by accident", () => {
    expect(Object.keys(api).toSorted()).toEqual([
      "BaseData",
      "Bridge",
      "BridgeError",
      "BucketDocument",
      "BucketRules",
      "BucketWatcher",
      "BucketWatcherManager",
      "ChangeFeed",
      "DecisionLog",
      "ERROR_CODES",
      "FeedSubscription",
      "MemoryBudget",
      "NatsLink",
      "PolicyEngine",
      "PolicyStore",
      "ReservedPaths",
      "bucketsOf",
      "buildApp",
      "createBridge",
      "decodeValue",
      "isBridgeError",
      "loadConfig",
      "parseBundle",
      "parseConfig",
      "readBundle",
      "shortenPauses",
      "startServer",
    ]);
  });
});
