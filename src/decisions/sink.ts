/** An event that is ready to go out. */
export interface EncodedEvent {
  /** The identity of the decision, which may serve against duplicates. */
  readonly decisionId: string;
  /** JSON text of one object. */
  readonly text: string;
}

/** Where events go. Made and closed by whoever uses it; only one `send` runs at a time. */
export interface DecisionSink {
  /** For messages. */
  readonly name: string;
  /** How many events, and how many bytes of them, one `send` can take. It may change with what was sent. */
  readonly batch: {
    /** Events. */
    readonly maxItems: number;
    /** Bytes of their texts. */
    readonly maxBytes: number;
  };
  /**
   * Delivers the first events, at least one, and resolves with their number, and the number of those among them
   * that can never be delivered. Rejects when none could be delivered now; the events are given again later.
   */
  send(events: readonly EncodedEvent[], signal: AbortSignal): Promise<Sent>;
  /** Called once, when the log is closed; nothing is sent afterwards. */
  close(): void | Promise<void>;
}

/** What came of {@link DecisionSink.send}. */
export interface Sent {
  /** How many of the first events are done with. */
  readonly done: number;
  /** How many of those were too large to be delivered at all. */
  readonly dropped?: number;
}
