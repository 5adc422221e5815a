// A worker thread that overwrites keys of a bucket as fast as the server takes it. `shared[0]` is how often it
// has done so, and it ends when `shared[1]` is not 0.
import { workerData } from "node:worker_threads";
import { connect } from "nats";

const { url, bucket, keys, shared } = workerData;
const connection = await connect({ servers: url });
const jetstream = connection.jetstream({ timeout: 30_000 });

async function write() {
  while (Atomics.load(shared, 1) === 0) {
    const key = keys[Math.floor(Math.random() * keys.length)];
    await jetstream.publish(`$KV.${bucket}.${key}`, `{"turn":${Atomics.add(shared, 0, 1)}}`);
  }
}

await Promise.all(Array.from({ length: 100 }, write));
await connection.close();
