import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";
import { buildPeer, runPeer } from "../lib/go-peer.mjs";
import { fillBucket, members, withNats } from "../lib/nats.mjs";

// Resident set for each key, at 100,000 and 1,000,000 keys: a process of its own with the bridge and the bucket,
// less the same process with an empty bucket. Where Go is there, the same of a process that holds the bucket as the
// Go plugin opa-nats does: followed by NATS's own client, and each value parsed in OPA's own store.

const execute = promisify(execFile);
const PROBE = fileURLToPath(new URL("../lib/memory-probe.mjs", import.meta.url));
const SIZES = [100_000, 1_000_000];

export default async function measure(report) {
  const peer = await buildPeer("opa-store");
  if (peer === undefined) report({ peer: "can't be built: there is no Go" });
  return withNats(async ({ url, connection }) => {
    for (const keys of [0, ...SIZES]) {
      await fillBucket(connection, bucketOf(keys), members(keys));
    }
    const ours = await bytesPerKey("ours", (bucket) => ourBytes(url, bucket), report);
    const theirs =
      peer && (await bytesPerKey("opa-store", (bucket) => peerBytes(peer, url, bucket), report));
    return {
      bytes_per_key_100k: ours[0],
      bytes_per_key_1m: ours[1],
      ...(theirs && {
        peer_bytes_per_key_100k: theirs[0],
        peer_bytes_per_key_1m: theirs[1],
        vs_peer_100k: ours[0] / theirs[0],
        vs_peer: ours[1] / theirs[1],
      }),
    };
  });
}

/** What each key takes, for each of the sizes. */
async function bytesPerKey(side, residentBytes, report) {
  const empty = await residentBytes(bucketOf(0));
  report({ side, keys: 0, rss_bytes: empty });
  const perKey = [];
  for (const keys of SIZES) {
    const bytes = ((await residentBytes(bucketOf(keys))) - empty) / keys;
    report({ side, keys, bytes_per_key: bytes });
    perKey.push(bytes);
  }
  return perKey;
}

function bucketOf(keys) {
  return `keys-${keys}`;
}

async function ourBytes(url, bucket) {
  const { stdout } = await execute(process.execPath, ["--expose-gc", PROBE, url, bucket]);
  return Number(stdout);
}

async function peerBytes(file, url, bucket) {
  const { keys, rss_bytes } = await runPeer(file, ["-url", url, "-bucket", bucket]);
  if (bucket !== bucketOf(keys)) throw new Error(`the peer has ${keys} keys of ${bucket}`);
  return rss_bytes;
}
