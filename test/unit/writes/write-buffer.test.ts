import { describe, expect, it, vi } from "vitest";
import { silentLogger } from "../../../src/common/logger.ts";
import { BridgeError } from "../../../src/errors.ts";
import { type BucketWriter, RevisionConflict } from "../../../src/nats/bucket-writer.ts";
import type { Change } from "../../../src/writes/change.ts";
import { WriteBuffer } from "../../../src/writes/write-buffer.ts";

/** One bucket by NATS's rules, in memory, whose connection comes and goes. */
class Bucket implements BucketWriter {
  connected = false;
  readonly entries = new Map<string, { revision: number; text: string | undefined }>();
  readonly order: string[] = [];
  failures: BridgeError[] = [];
  incarnation = "first";
  /** Buckets that nobody answers for. */
  readonly away = new Set<string>();
  #revision = 0;
  readonly #listeners = new Set<() => void>();

  put(key: string, text: string | undefined): number {
    this.entries.set(key, { revision: ++this.#revision, text });
    return this.#revision;
  }

  text(key: string): string | undefined {
    return this.entries.get(key)?.text;
  }

  connect(): void {
    this.connected = true;
    for (const listener of this.#listeners) listener();
  }

  onReconnect(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async write({ bucket, key, value, expected, incarnation }: Parameters<BucketWriter["write"]>[0]) {
    const failure = this.failures.shift();
    if (failure !== undefined) throw failure;
    if (!this.connected) throw new BridgeError("NATS_UNREACHABLE", "no connection");
    if (this.away.has(bucket)) throw new BridgeError("JETSTREAM_UNAVAILABLE", "no answer");
    const current = this.entries.get(key)?.revision ?? 0;
    if (current !== expected || incarnation !== this.incarnation) {
      throw new RevisionConflict(bucket, key, current);
    }
    const text = value === undefined ? undefined : Buffer.from(value).toString();
    this.order.push(`${key}=${text ?? "deleted"}`);
    return this.put(key, text);
  }
}

/** Long enough for a busy machine. */
const PATIENT = { timeout: 20_000, interval: 10 };

let ids = 0;

function change(key: string, text: string | undefined, bucket = "b"): Change {
  const bytes = text === undefined ? undefined : Buffer.from(text);
  return { bucket, key, text, bytes, id: String(ids++) };
}

function start(
  limits: { maxItems?: number; maxBytes?: number; closeTimeoutMs?: number } = {},
  logger = silentLogger,
) {
  const bucket = new Bucket();
  const { maxItems = 100, maxBytes = 1e6, closeTimeoutMs } = limits;
  const buffer = new WriteBuffer({ maxItems, maxBytes, closeTimeoutMs, writer: bucket, logger });
  const push = (key: string, text: string | undefined, expected = 0, followed = expected): void =>
    buffer.push(change(key, text), { expected, followed, incarnation: "first" });
  const drained = () => vi.waitFor(() => expect(buffer.isWaiting("b")).toBe(false), PATIENT);
  return { bucket, buffer, push, drained };
}

describe("O21 writes that waited for NATS", () => {
  it("go there in the order in which they were accepted, each a change of the one before", async () => {
    const { bucket, buffer, push, drained } = start();
    push("a", "1");
    push("b", "1");
    push("a", "2");
    push("b", undefined);
    push("a", "3");
    expect(buffer.pending("b", "a")).toEqual({ text: "3" });
    expect(buffer.pending("b", "b")).toEqual({ text: undefined });
    bucket.connect();
    await drained();
    expect(bucket.order).toEqual(["a=1", "b=1", "a=2", "b=deleted", "a=3"]);
    expect(buffer.figures()).toMatchObject({ waiting: 0, replayed: 5, conflicts: 0, dropped: 0 });
    expect(buffer.pending("b", "a")).toBeUndefined();
  });

  it("never overwrite what is newer than what was known when they were accepted", async () => {
    const lines: unknown[] = [];
    const log = (...line: unknown[]): void => void lines.push(line);
    const { bucket, buffer, push, drained } = start(
      {},
      { debug: log, info: log, warn: log, error: log },
    );
    const known = bucket.put("a", "old");
    push("a", "s3cret-1", known);
    push("a", "s3cret-2", known);
    push("c", "mine", 0, known);
    bucket.put("a", "newer");
    bucket.connect();
    await drained();
    expect(bucket.text("a")).toBe("newer");
    expect(bucket.text("c")).toBe("mine");
    expect(buffer.figures()).toMatchObject({ replayed: 1, conflicts: 2 });
    expect(JSON.stringify(lines)).toContain("REVISION_CONFLICT");
    expect(JSON.stringify(lines)).not.toContain("s3cret");
  });

  it("overwrite nothing in a bucket that was made anew, even where the revisions are the same", async () => {
    const { bucket, push, drained } = start();
    push("a", "mine", bucket.put("a", "old"));
    bucket.incarnation = "second";
    bucket.connect();
    await drained();
    expect(bucket.text("a")).toBe("old");
  });

  it("follow a delete marker that was known, and no newer one", async () => {
    const { bucket, push, drained } = start();
    const marker = bucket.put("a", undefined);
    push("a", "mine", 0, marker);
    push("n", "mine", 0, marker);
    bucket.put("n", undefined);
    bucket.connect();
    await drained();
    expect(bucket.text("a")).toBe("mine");
    expect(bucket.text("n")).toBeUndefined();
  });

  it("stay in front, in order, when the connection is lost again in the middle", async () => {
    const { bucket, buffer, push, drained } = start();
    push("a", "1");
    push("a", "2");
    bucket.failures = [new BridgeError("NATS_CLOSED", "lost")];
    bucket.connect();
    bucket.connected = false;
    await vi.waitFor(() => expect(buffer.figures().waiting).toBe(2), PATIENT);
    push("a", "3");
    bucket.connect();
    await drained();
    expect(bucket.order).toEqual(["a=1", "a=2", "a=3"]);
  });

  it("let the others pass when NATS refuses one for good", async () => {
    const { bucket, buffer, push, drained } = start();
    push("a", "1");
    push("b", "1");
    bucket.failures = [new BridgeError("WRITE_TOO_LARGE", "too large")];
    bucket.connect();
    await drained();
    expect(bucket.order).toEqual(["b=1"]);
    expect(buffer.figures()).toMatchObject({ refused: 1, replayed: 1 });
  });

  it("are bounded by count and by bytes, and the oldest go, which leaves the later ones of a key right", async () => {
    const { bucket, buffer, push, drained } = start({ maxItems: 2 });
    const known = bucket.put("a", "0");
    push("a", "1", known);
    push("a", "2", known);
    push("a", "3", known);
    expect(buffer.figures()).toMatchObject({ waiting: 2, dropped: 1 });
    bucket.connect();
    await drained();
    expect(bucket.order).toEqual(["a=2", "a=3"]);

    const small = start({ maxBytes: 1_000 });
    small.push("a", "x".repeat(500));
    small.push("b", "y".repeat(500));
    expect(small.buffer.figures()).toMatchObject({ waiting: 1, dropped: 1 });
    expect(small.buffer.pending("b", "a")).toBeUndefined();
    small.push("c", "z".repeat(5_000));
    expect(small.buffer.figures()).toMatchObject({ waiting: 0, bytes: 0, dropped: 3 });
  });

  it("of a bucket that can't be written hold up their own only, are told of once, and go out when it can", async () => {
    const lines: unknown[] = [];
    const log = (...line: unknown[]): void => void lines.push(line);
    const { bucket, buffer } = start({}, { debug: log, info: log, warn: log, error: log });
    const push = (name: string, key: string, text: string): void =>
      buffer.push(change(key, text, name), { expected: 0, followed: 0, incarnation: "first" });
    bucket.away.add("mirror");
    push("mirror", "m", "1");
    push("b", "a", "1");
    push("mirror", "m", "2");
    push("c", "c", "1");
    bucket.connect();
    await vi.waitFor(() => expect(bucket.order).toEqual(["a=1", "c=1"]), PATIENT);
    await vi.waitFor(
      () => expect(buffer.figures()).toMatchObject({ waiting: 2, blocked: 1 }),
      PATIENT,
    );
    expect(["mirror", "b", "c"].map((name) => buffer.isWaiting(name))).toEqual([
      true,
      false,
      false,
    ]);
    push("b", "a2", "1");
    await vi.waitFor(() => expect(bucket.order).toEqual(["a=1", "c=1", "a2=1"]), PATIENT);
    const why = "a bucket can't be written for now, so its writes wait; those of others go on";
    expect(lines).toEqual([[{ bucket: "mirror", code: "JETSTREAM_UNAVAILABLE" }, why]]);
    bucket.away.clear();
    await vi.waitFor(
      () => expect(buffer.figures()).toMatchObject({ waiting: 0, blocked: 0 }),
      PATIENT,
    );
    expect(bucket.order.slice(3)).toEqual(["m=1", "m=2"]);
    expect(lines.slice(1)).toEqual([[{ bucket: "mirror" }, "a bucket can be written again"]]);
    expect(buffer.figures()).toMatchObject({ replayed: 5, dropped: 0, refused: 0 });
  });

  it("are bounded over all buckets, and the oldest go, whichever bucket they are of", () => {
    const { buffer } = start({ maxItems: 3 });
    const push = (name: string, key: string): void =>
      buffer.push(change(key, "1", name), { expected: 0, followed: 0, incarnation: "first" });
    push("b", "1");
    push("c", "2");
    push("b", "3");
    push("d", "4");
    push("d", "5");
    expect(buffer.figures()).toMatchObject({ waiting: 3, dropped: 2 });
    const left = [
      ["b", "1"],
      ["c", "2"],
      ["b", "3"],
      ["d", "4"],
      ["d", "5"],
    ] as const;
    expect(left.filter(([name, key]) => buffer.pending(name, key)).map(([, key]) => key)).toEqual([
      "3",
      "4",
      "5",
    ]);
    expect(["b", "c", "d"].map((name) => buffer.isWaiting(name))).toEqual([true, false, true]);
  });

  it("O64 are written when the process stops, where NATS is there or comes back in time", async () => {
    const { bucket, buffer, push } = start();
    for (let count = 0; count < 50; count++) push(`k${count}`, String(count));
    bucket.failures = [new BridgeError("NATS_TIMEOUT", "no answer")];
    const closed = buffer.close();
    bucket.connect();
    await closed;
    expect(bucket.order).toEqual(Array.from({ length: 50 }, (_, count) => `k${count}=${count}`));
    expect(buffer.figures()).toMatchObject({ waiting: 0, replayed: 50, dropped: 0 });
  });

  it("O64 are said to be lost, without their content, when the process stops before NATS is back", async () => {
    const lines: unknown[] = [];
    const log = (...line: unknown[]): void => void lines.push(line);
    const logger = { debug: log, info: log, warn: log, error: log };
    const { buffer, push } = start({ closeTimeoutMs: 50 }, logger);
    push("a", "s3cret");
    push("b", "s3cret");
    await buffer.close();
    await buffer.close();
    expect(lines).toEqual([[{ writes: 2 }, "writes that waited for NATS are lost"]]);
    expect(buffer.figures()).toMatchObject({ waiting: 0, replayed: 0, dropped: 2 });
    expect(() => push("c", "1")).toThrow(expect.objectContaining({ code: "BRIDGE_STOPPING" }));
  });

  it("O64 keep nobody who stops for longer than the deadline, whatever NATS does", async () => {
    const { bucket, buffer, push } = start({ closeTimeoutMs: 50 });
    push("a", "1");
    bucket.failures = Array.from(
      { length: 100 },
      () => new BridgeError("NATS_TIMEOUT", "no answer"),
    );
    bucket.connect();
    await buffer.close();
    expect(buffer.figures()).toMatchObject({ waiting: 0, dropped: 1 });
    expect(bucket.order).toEqual([]);
  });
});
