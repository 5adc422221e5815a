import type { FeedFrame } from "../../../src/feed/frames.ts";
import type { PolicyStore } from "../../../src/store/policy-store.ts";

/** Buckets with their keys and values as JSON texts. */
export type Contents = Map<string, Map<string, string>>;

interface Change {
  readonly op: "mount" | "unmount" | "put" | "delete";
  readonly bucket: string;
  readonly key: string;
  readonly value: unknown;
}

interface Message {
  readonly type: FeedFrame["type"];
  readonly version?: number;
  readonly cursor?: string;
  readonly reason?: string;
  readonly more?: true;
  readonly floor?: string;
  readonly changes?: readonly Change[];
  readonly bucket?: string;
  readonly entries?: readonly { readonly key: string; readonly value: unknown }[];
}

/** A client that does what the feed's description says, and notices when the feed does not. */
export class FeedClient {
  readonly contents: Contents = new Map();
  readonly versions: number[] = [];
  readonly types: string[] = [];
  cursor: string | undefined;
  end: Message | undefined;
  hello: Message | undefined;
  #unfinished: number | undefined;

  /** The last message; throws on one that breaks the rules. */
  take(text: string): Message {
    const message = JSON.parse(text) as Message;
    const { type, version, changes } = message;
    if (this.end !== undefined) throw new Error(`a frame after the end: ${text}`);
    this.types.push(type);
    if (message.cursor !== undefined) this.cursor = message.cursor;
    if (type === "hello") this.hello = message;
    if (type === "end") this.end = message;
    if (type === "snapshot") this.contents.clear();
    if (type === "entries") {
      const keys = this.#keysOf(message.bucket!);
      for (const { key, value } of message.entries!) keys.set(key, JSON.stringify(value));
    }
    if (type === "change") {
      const last = this.versions.at(-1) ?? 0;
      const goesOn = this.#unfinished === version;
      if (goesOn ? version !== last : version! <= last) {
        throw new Error(`version ${version} after ${last}`);
      }
      this.#unfinished = message.more === true ? version : undefined;
      if (!goesOn) this.versions.push(version!);
      for (const change of changes!) this.#apply(change);
    }
    return message;
  }

  /** Starts with what an earlier client had. */
  fill(contents: Readonly<Record<string, Readonly<Record<string, string>>>>): void {
    for (const [bucket, keys] of Object.entries(contents)) {
      this.contents.set(bucket, new Map(Object.entries(keys)));
    }
  }

  #apply({ op, bucket, key, value }: Change): void {
    if (op === "mount") this.contents.set(bucket, new Map());
    if (op === "unmount") this.contents.delete(bucket);
    if (op === "put") this.#keysOf(bucket).set(key, JSON.stringify(value));
    if (op === "delete") this.#keysOf(bucket).delete(key);
  }

  #keysOf(bucket: string): Map<string, string> {
    let keys = this.contents.get(bucket);
    if (keys === undefined) this.contents.set(bucket, (keys = new Map()));
    return keys;
  }
}

/** What is in a store now, in order, found without the code under test. */
export function contentsOf(store: PolicyStore): Record<string, Record<string, string>> {
  return Object.fromEntries(
    store
      .buckets()
      .toSorted()
      .map((name) => {
        const texts = [...store.bucket(name)!.entries()].map(
          ([key, { text }]) => [key, text] as const,
        );
        return [name, Object.fromEntries(texts.toSorted(([a], [b]) => (a < b ? -1 : 1)))];
      }),
  );
}

/** A client's contents in the form of {@link contentsOf}. */
export function plain(contents: Contents): Record<string, Record<string, string>> {
  return Object.fromEntries(
    [...contents]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([bucket, keys]) => {
        return [bucket, Object.fromEntries([...keys].toSorted(([a], [b]) => (a < b ? -1 : 1)))];
      }),
  );
}
