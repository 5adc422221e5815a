import { subscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Bridge, createBridge } from "nats-opa-bridge";

/** What a worker is asked; each question has one answer, in order. */
export type Question =
  | {
      readonly ask: "start";
      readonly name: string;
      readonly urls: readonly string[];
      readonly buckets: readonly string[];
      /** How often each bucket is audited, as in the configuration. */
      readonly refresh: string;
    }
  | { readonly ask: "sample"; readonly collect?: boolean }
  /** Cuts the connection, so that every bucket is loaded again. */
  | { readonly ask: "cut" }
  | { readonly ask: "stop" };

/** What a worker has used since it was started, and what has become of its streams. */
export interface Sample {
  /** Processor time of the process, in seconds. */
  readonly cpu: number;
  /** What its connections to NATS have received, in bytes. */
  readonly bytes: number;
  /** Streams opened in order to follow a bucket: each makes one consumer, or attempts to. */
  readonly opened: number;
  /** Streams opened in order to list a bucket's keys, as audits do where numbers settle nothing. */
  readonly listed: number;
  /** Questions about a bucket: of audits, and of buckets that nobody answered for. */
  readonly described: number;
  readonly entries: number;
  /** Resident set, in bytes. */
  readonly rss: number;
  /** The server that the bridge is connected to. */
  readonly server: string;
  /** Streams that have come to their end or been opened, and are not loaded. */
  readonly behind: number;
  /** When buckets were loaded, each time; in milliseconds since the epoch. */
  readonly loads: readonly { readonly bucket: string; readonly at: number }[];
}

// The groups' example: a policy that sees every bucket, so that all of them are resident in it.
const BUNDLE = fileURLToPath(new URL("../../../../examples/groups/bundle.tar.gz", import.meta.url));

const sockets = new Set<Socket>();
let received = 0;
subscribe("net.client.socket", (message) => {
  const { socket } = message as { socket: Socket };
  sockets.add(socket);
  socket.once("close", () => {
    received += socket.bytesRead;
    sockets.delete(socket);
  });
});

let bridge: Bridge | undefined;
let opened = 0;
let listed = 0;
let described = 0;
let entries = 0;
const behind = new Set<string>();
const loads: { bucket: string; at: number }[] = [];

async function start({
  name,
  urls,
  buckets,
  refresh,
}: Extract<Question, { ask: "start" }>): Promise<void> {
  bridge = await createBridge(
    {
      nats: { server_url: [...urls], name, load_timeout: "300s", refresh_interval: refresh },
      bundle: { file: BUNDLE },
    },
    {
      wrapSource: (source) => ({
        onReconnect: (listener) => source.onReconnect(listener),
        describe: (bucket) => {
          described++;
          return source.describe(bucket);
        },
        open: (bucket, sink, options) => {
          // The headers-only listing of an audit does not take the bucket's copy out of date.
          const follows = options?.headersOnly !== true;
          if (follows) {
            opened++;
            behind.add(bucket);
          } else listed++;
          return source.open(
            bucket,
            {
              opened: (info) => sink.opened(info),
              entry: (entry) => {
                entries++;
                sink.entry(entry);
              },
              whole: (revision) => sink.whole(revision),
              current: (revision) => sink.current(revision),
              loaded: (revision, ageMs) => {
                sink.loaded(revision, ageMs);
                if (!follows) return;
                loads.push({ bucket, at: Date.now() });
                behind.delete(bucket);
              },
              ended: (reason, cause) => {
                if (follows) behind.add(bucket);
                sink.ended(reason, cause);
              },
            },
            options,
          );
        },
      }),
    },
  );
  const { manager } = bridge;
  await Promise.all(buckets.map((bucket) => manager.getOrCreateWatcher(bucket)));
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

async function sample(collect: boolean): Promise<Sample> {
  const rounds = collect ? 4 : 0;
  for (let round = 0; round < rounds; round++) {
    globalThis.gc?.();
    await delay(100);
  }
  let bytes = received;
  for (const socket of sockets) bytes += socket.bytesRead;
  return {
    cpu: cpuSeconds(),
    bytes,
    opened,
    listed,
    described,
    entries,
    rss: process.memoryUsage.rss(),
    server: bridge?.status().nats.server ?? "",
    behind: behind.size,
    loads,
  };
}

async function answer(question: Question): Promise<unknown> {
  switch (question.ask) {
    case "start":
      return start(question);
    case "sample":
      return sample(question.collect ?? false);
    case "cut":
      for (const socket of sockets) socket.destroy();
      return undefined;
    case "stop":
      await bridge?.close();
      process.channel?.unref();
      return undefined;
  }
}

// A bridge goes on for ever when its servers are gone; not when the harness is.
process.once("disconnect", () => process.exit(1));
process.on("message", (question: Question) => {
  answer(question).then(
    (value) => process.send?.({ value: value ?? null }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
