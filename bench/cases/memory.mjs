import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";
import { fillBucket, members, withNats } from "../lib/nats.mjs";

// Resident set for each key, at 100,000 and 1,000,000 keys: a process of its own with the bridge and the bucket,
// less the same process with an empty bucket.

const execute = promisify(execFile);
const PROBE = fileURLToPath(new URL("../lib/memory-probe.mjs", import.meta.url));

export default async function measure(report) {
  return withNats(async ({ url, connection }) => {
    await fillBucket(connection, "keys-0", []);
    const empty = await rssOf(url, "keys-0");
    report({ keys: 0, rss_bytes: empty });
    const perKey = {};
    for (const keys of [100_000, 1_000_000]) {
      const bucket = `keys-${keys}`;
      await fillBucket(connection, bucket, members(keys));
      perKey[keys] = ((await rssOf(url, bucket)) - empty) / keys;
      report({ keys, bytes_per_key: perKey[keys] });
    }
    return {
      bytes_per_key_100k: perKey[100_000],
      bytes_per_key_1m: perKey[1_000_000],
    };
  });
}

async function rssOf(url, bucket) {
  const { stdout } = await execute(process.execPath, ["--expose-gc", PROBE, url, bucket]);
  return Number(stdout);
}
