import { equal, ok } from "node:assert/strict";
import { createHash } from "node:crypto";
import type { PolicyStore } from "../../../src/store/policy-store.ts";
import { contentsOf, FeedClient, plain } from "./feed-client.ts";

/** Which bucket each version of a store has changed, and the text that the feed must have for it. */
export class History {
  readonly #versions = new Map<number, { readonly bucket: string; readonly text: string }>();

  /** Every commit must be of one bucket. */
  constructor(store: PolicyStore) {
    store.onCommit(({ version, changes }) => {
      const texts = changes.map((change) => {
        const { type: op, bucket } = change;
        const key = "key" in change ? change.key : undefined;
        const revision = "revision" in change ? change.revision : undefined;
        const value = change.type === "put" ? (JSON.parse(change.text) as unknown) : undefined;
        return JSON.stringify({ op, bucket, key, revision, value });
      });
      this.#versions.set(version, { bucket: changes[0]!.bucket, text: brief(texts.join(",")) });
    });
  }

  at(version: number): { readonly bucket: string; readonly text: string } {
    return this.#versions.get(version)!;
  }
}

const CHANGES = '"changes":[';

/** What a subscriber is told, message by message: it must be the very next version, with its very text. */
export class Told {
  client: FeedClient = new FeedClient();
  /** How often it came again with its cursor. */
  rejoined = 0;
  /** Why the subscriptions ended that the feed has ended. */
  readonly ends: string[] = [];
  readonly #history: History;
  readonly #bucket: string | undefined;
  /** Told up to this version; undefined before the snapshot says which. */
  #version: number | undefined;
  /** What of the next version has been told. */
  #parts: string[] = [];

  /** `bucket`: the only one it asks for; undefined: all. */
  constructor(history: History, bucket: string | undefined) {
    this.#history = history;
    this.#bucket = bucket;
  }

  take(text: string): void {
    const had = this.client.cursor;
    const { type, version, reason, cursor, more } = this.client.take(text);
    if (type === "hello" && cursor !== undefined) {
      if (this.#version !== undefined) equal(version, this.#version);
      this.#version = version;
    }
    if (type === "snapshot") this.#version = version;
    if (type === "change") this.#checkChange(text, version!, more === true);
    if (type === "complete" || type === "progress") this.#skipTo(version!);
    if (type === "end") {
      this.ends.push(reason!);
      ok(cursor !== undefined || had === undefined, "an end without the cursor to go on from");
    }
  }

  /** The cursor to come again with, and what it had there; what was left in the middle of a snapshot has none. */
  comeAgain(): string | undefined {
    const { cursor, contents } = this.client;
    this.startAnew();
    if (cursor === undefined) return undefined;
    this.client.fill(plain(contents));
    this.client.cursor = cursor;
    this.#version = Number(cursor.split(":")[1]);
    this.rejoined++;
    return cursor;
  }

  startAnew(): void {
    this.client = new FeedClient();
    this.#version = undefined;
    this.#parts = [];
  }

  #checkChange(text: string, version: number, more: boolean): void {
    this.#skipTo(version - 1);
    equal(version, this.#version! + 1);
    // Nothing that has a bracket follows the changes.
    this.#parts.push(text.slice(text.indexOf(CHANGES) + CHANGES.length, text.lastIndexOf("]")));
    if (more) return;
    equal(brief(this.#parts.filter(Boolean).join(",")), this.#history.at(version).text);
    this.#parts = [];
    this.#version = version;
  }

  /** Up to this version, nothing may have been left out but what the filter doesn't let through. */
  #skipTo(version: number): void {
    while (this.#version! < version) {
      const { bucket, text } = this.#history.at(++this.#version!);
      ok(this.#bucket !== undefined && bucket !== this.#bucket, `${text} was left out`);
    }
    equal(this.#version, version);
  }
}

/** A long text's hash stands for it, so that a history takes little memory. */
function brief(text: string): string {
  return text.length < 1_000 ? text : createHash("sha256").update(text).digest("hex");
}

/** A store's contents, as far as a subscriber asks for them. */
export function wantedOf(
  store: PolicyStore,
  bucket: string | undefined,
): Record<string, Record<string, string>> {
  const all = Object.entries(contentsOf(store));
  return Object.fromEntries(all.filter(([name]) => bucket === undefined || name === bucket));
}
