// A worker thread that writes to buckets as fast as the server takes it, so many values: most are small, every
// fourth is large and goes into the bucket "bulk".
import { workerData } from "node:worker_threads";
import { connect } from "nats";

const { url, writes } = workerData;
const connection = await connect({ servers: url });
const jetstream = connection.jetstream({ timeout: 30_000 });
const padding = "x".repeat(8_192);
let next = 0;

async function write() {
  while (next < writes) {
    const turn = next++;
    const isLarge = turn % 4 === 0;
    const bucket = isLarge ? "bulk" : turn % 2 === 0 ? "a" : "b";
    const value = isLarge ? { turn, padding } : { turn };
    await jetstream.publish(`$KV.${bucket}.k${turn % 20}`, JSON.stringify(value));
  }
}

await Promise.all(Array.from({ length: 50 }, write));
await connection.close();
