import type { Change, Commit } from "../store/transaction.ts";

/** A change as the feed keeps it: of a mount only the bucket's name, for the data is the store's to keep. */
export class LoggedChange {
  readonly type: Change["type"];
  readonly bucket: string;
  /** Undefined where the whole bucket changed. */
  readonly key: string | undefined;
  readonly bytes: number;
  readonly #value: string | undefined;
  readonly #revision: number | undefined;
  #text: string | undefined;

  constructor(change: Change) {
    this.type = change.type;
    this.bucket = change.bucket;
    this.key = "key" in change ? change.key : undefined;
    this.#revision = "revision" in change ? change.revision : undefined;
    this.#value = change.type === "put" ? change.text : undefined;
    const content = this.bucket.length + (this.key?.length ?? 0) + (this.#value?.length ?? 0);
    // Once as it is stored, and once as it is sent.
    this.bytes = OVERHEAD + 2 * content;
  }

  /** The change as JSON, made once for all who read it. */
  get text(): string {
    return (this.#text ??= this.#makeText());
  }

  #makeText(): string {
    const start = `{"op":"${this.type}","bucket":${JSON.stringify(this.bucket)}`;
    if (this.key === undefined) return `${start}}`;
    const entry = `${start},"key":${JSON.stringify(this.key)},"revision":${this.#revision}`;
    return this.#value === undefined ? `${entry}}` : `${entry},"value":${this.#value}}`;
  }
}

export interface LoggedCommit {
  readonly version: number;
  readonly changes: readonly LoggedChange[];
  readonly bytes: number;
}

/** What a change costs beside its text, roughly. */
const OVERHEAD = 128;

export interface LogLimits {
  /** How many commits are kept. */
  readonly maxCommits: number;
  /** What they may take together, roughly. The newest commit is kept, whatever its size. */
  readonly maxBytes: number;
}

/**
 * The last commits, by version, without a gap. What is at or below the floor is no longer there; a reader that
 * has been told everything up to the floor can go on.
 */
export class CommitLog {
  readonly #limits: LogLimits;
  readonly #commits = new Map<number, LoggedCommit>();
  #floor: number;
  #head: number;
  #bytes = 0;

  constructor(limits: LogLimits, version: number) {
    this.#limits = limits;
    this.#floor = version;
    this.#head = version;
  }

  /** The highest version that is gone: the lowest cursor that can be replayed from. */
  get floor(): number {
    return this.#floor;
  }

  /** The newest version. */
  get head(): number {
    return this.#head;
  }

  get size(): number {
    return this.#commits.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(version: number): LoggedCommit | undefined {
    return this.#commits.get(version);
  }

  append({ version, changes }: Commit): void {
    // A hole would be a gap that nobody is told of; with the floor raised, every reader behind it is told.
    if (version !== this.#head + 1) this.#forgetUpTo(this.#head, version - 1);
    const kept = changes.map((change) => new LoggedChange(change));
    const bytes = kept.reduce((sum, change) => sum + change.bytes, OVERHEAD);
    this.#commits.set(version, { version, changes: kept, bytes });
    this.#head = version;
    this.#bytes += bytes;
    const { maxCommits, maxBytes } = this.#limits;
    while (this.#commits.size > 1 && (this.#commits.size > maxCommits || this.#bytes > maxBytes)) {
      this.#forgetUpTo(this.#floor + 1, this.#floor + 1);
    }
  }

  #forgetUpTo(last: number, floor: number): void {
    for (let version = this.#floor + 1; version <= last; version++) {
      this.#bytes -= this.#commits.get(version)?.bytes ?? 0;
      this.#commits.delete(version);
    }
    this.#floor = floor;
    this.#head = Math.max(this.#head, floor);
  }
}
