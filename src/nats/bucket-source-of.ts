import { BridgeError } from "../errors.ts";
import { askAgain } from "./ask-again.ts";
import { bucketInfo } from "./bucket-info.ts";
import type { BucketSource } from "./bucket-source.ts";
import { BucketStream } from "./bucket-stream.ts";
import type { NatsLink } from "./connection.ts";
import { bucketError } from "./errors.ts";

/** The buckets at the other end of a connection. */
export function bucketsOf(link: NatsLink): BucketSource {
  return {
    open: (bucket, sink, options) => new BucketStream(link, bucket, sink, options),
    onReconnect: (listener) => link.onReconnect(listener),
    async describe(bucket) {
      // Whoever asks now wants to know how things are now, not after an outage.
      if (link.state !== "connected") {
        throw new BridgeError(
          "NATS_UNREACHABLE",
          "There is no connection to NATS at the moment; see the bridge's status.",
        );
      }
      try {
        const connection = await link.connection();
        const { timeoutMs: timeout } = link;
        const manager = await connection.jetstreamManager({ checkAPI: false, timeout });
        return bucketInfo(await askAgain(() => manager.streams.info(`KV_${bucket}`)));
      } catch (error) {
        throw bucketError(error, bucket);
      }
    },
  };
}
