import {
  AckPolicy,
  type ConsumerConfig,
  type ConsumerInfo,
  createInbox,
  DeliverPolicy,
  ErrorCode,
  nanos,
  type NatsConnection,
  NatsError,
  type StreamConfig,
} from "nats";

/** How long between two words of a server that has nothing to deliver, in milliseconds. */
export const HEARTBEAT_MS = 1_000;
/** The server forgets our consumer when nobody listens for this long, so none is ever left behind. */
const INACTIVE_MS = 5_000;
/** How long the first requests for a consumer are waited for, in milliseconds; the last one has its whole time. */
const PATIENCE_MS = [1_000, 2_000];

/** What a consumer follows of its bucket's stream. */
export interface Followed {
  readonly stream: string;
  readonly filter: string;
  readonly deliver: DeliverPolicy;
  readonly headersOnly: boolean;
}

/**
 * Older values only where they are asked for. With one value per key all messages are last values. Servers before
 * 2.10 deliver other messages in place of those that vanished from their list of last values, again and again; there
 * older values come first.
 */
export function deliverPolicy(
  connection: NatsConnection,
  { max_msgs_per_subject }: StreamConfig,
  history: boolean,
): DeliverPolicy {
  if (history || max_msgs_per_subject === 1) return DeliverPolicy.All;
  const [major = 0, minor = 0] = (connection.info?.version ?? "").split(".").map(Number);
  const listed = major > 2 || (major === 2 && minor >= 10);
  return listed ? DeliverPolicy.LastPerSubject : DeliverPolicy.All;
}

/**
 * Makes an ephemeral push consumer, in memory, with flow control and heartbeats. `hear` subscribes to the inbox that
 * it delivers to, and to no other from then on.
 *
 * What is asked while the stream has no leader, or is given to a node that has just died, is lost without a word. So
 * it is asked for again before the request's own time (`timeoutMs`) is over: a consumer of another inbox, because the
 * first one may be made yet; nobody hears that, and the server forgets it. Not once something was delivered
 * (`heard`): then there is a consumer.
 */
export async function followingConsumer(
  connection: NatsConnection,
  followed: Followed,
  timeoutMs: number,
  hear: (inbox: string) => void,
  heard: () => boolean,
): Promise<ConsumerInfo> {
  for (const patience of PATIENCE_MS) {
    if (patience >= timeoutMs) break;
    try {
      return await make(connection, followed, patience, hear);
    } catch (error) {
      if (!isTimeout(error) || heard()) throw error;
    }
  }
  return make(connection, followed, timeoutMs, hear);
}

function isTimeout(error: unknown): boolean {
  return error instanceof NatsError && error.code === ErrorCode.Timeout.valueOf();
}

async function make(
  connection: NatsConnection,
  { stream, filter, deliver, headersOnly }: Followed,
  timeout: number,
  hear: (inbox: string) => void,
): Promise<ConsumerInfo> {
  const inbox = createInbox();
  hear(inbox);
  const config: Partial<ConsumerConfig> = {
    deliver_subject: inbox,
    deliver_policy: deliver,
    filter_subject: filter,
    headers_only: headersOnly,
    ack_policy: AckPolicy.None,
    max_deliver: 1,
    flow_control: true,
    idle_heartbeat: nanos(HEARTBEAT_MS),
    inactive_threshold: nanos(INACTIVE_MS),
    mem_storage: true,
    num_replicas: 1,
  };
  const manager = await connection.jetstreamManager({ checkAPI: false, timeout });
  return manager.consumers.add(stream, config);
}
