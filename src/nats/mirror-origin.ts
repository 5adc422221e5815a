import { type JetStreamManager, type NatsConnection, NatsError, type StreamInfo } from "nats";
import { BridgeError, quote } from "../errors.ts";
import { bucketError } from "./errors.ts";

/** A mirror, and what somebody wants to change in it. */
interface MirrorWrite {
  readonly connection: NatsConnection;
  readonly timeout: number;
  readonly bucket: string;
  readonly info: StreamInfo;
  /** The revision that the key's last entry must have; 0: that there must be none. */
  readonly expected: number;
}

/** The server's code (`err_code`) for a sequence that the stream has no message at. */
const NO_MESSAGE = 10_037;

/**
 * What comes before the key in the subject that a mirror's entry is written to: its origin's, which may be behind the
 * API prefix of another account or domain.
 *
 * A mirror copies sequences, so a revision that is known of it is good for compare-and-set on the origin, unless the
 * origin was made anew since: then it may be that of another entry, which nobody here has seen. So both are asked for
 * the entry at that revision.
 *
 * Rejects with `WRITE_NOT_ALLOWED` where they differ, and where the origin's keys are not the mirror's; with
 * `BUCKET_NOT_FOUND` where the origin is gone; otherwise with what keeps NATS from telling.
 */
export async function originPrefix(write: MirrorWrite): Promise<string> {
  const { connection, timeout, bucket, info, expected } = write;
  const { name, external, subject_transforms: transforms = [] } = info.config.mirror!;
  const api = external?.api;
  const origin = name.replace(/^KV_/, "");
  const refused = (why: string): BridgeError =>
    new BridgeError(
      "WRITE_NOT_ALLOWED",
      `Bucket ${quote(bucket)} is a mirror of ${quote(origin)}, and can't be written: ${why}.`,
    );
  if (transforms.length > 0) throw refused("it changes the subjects of what it copies");
  try {
    const usual = { checkAPI: false, timeout };
    const here = await connection.jetstreamManager(usual);
    const there =
      api === undefined ? here : await connection.jetstreamManager({ ...usual, apiPrefix: api });
    const { config, state } = await there.streams.info(name);
    if (config.mirror !== undefined) {
      throw refused(`that is a mirror too, of ${quote(config.mirror.name)}; write there`);
    }
    const isAhead = info.state.last_seq > state.last_seq;
    if (isAhead || !(await haveSame(expected, here, info.config.name, there, name))) {
      throw refused("that was made anew, and the mirror has entries of before; make it anew too");
    }
  } catch (error) {
    if (error instanceof BridgeError) throw error;
    const { code, message } = bucketError(error, origin);
    throw new BridgeError(
      code,
      `Bucket ${quote(bucket)} is a mirror, and is written where it comes from: ${message}`,
      { cause: error },
    );
  }
  return `${api === undefined ? "" : `${api}.`}$KV.${origin}.`;
}

/** Whether the origin's entry at a revision is the mirror's. Where the origin has none, its compare-and-set will say so. */
async function haveSame(
  revision: number,
  here: JetStreamManager,
  mirror: string,
  there: JetStreamManager,
  origin: string,
): Promise<boolean> {
  if (revision === 0) return true;
  const [copied, original] = await Promise.all([
    storedAt(here, mirror, revision),
    storedAt(there, origin, revision),
  ]);
  return original === undefined || original === copied;
}

/** When the message at a sequence was stored, to the nanosecond; a mirror copies that, too. */
async function storedAt(
  { streams }: JetStreamManager,
  stream: string,
  seq: number,
): Promise<string | undefined> {
  try {
    return (await streams.getMessage(stream, { seq })).timestamp;
  } catch (error) {
    if (error instanceof NatsError && error.api_error?.err_code === NO_MESSAGE) return undefined;
    throw error;
  }
}
