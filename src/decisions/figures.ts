/** Counters since the start; those that OPA has too are named as in OPA. Numbers only, never content. */
export interface DecisionLogCounters {
  /** Decisions that were recorded. */
  decisions: number;
  /** Events handed over to a sink; once for each sink. */
  delivered: number;
  /** Deliveries that failed, and are tried again. */
  delivery_failures: number;
  /** Events that the drop policy took out. */
  dropped_by_policy: number;
  /** Events that could not be masked, and so are not shown. */
  dropped_masking_failed: number;
  /** Events that were still waiting when the log was closed. */
  dropped_at_close: number;
  /** Events beyond `max_decisions_per_second`. */
  decision_logs_dropped_rate_limit_exceeded: number;
  /** Events for which there were too many that waited. */
  decision_logs_dropped_buffer_size_limit_exceeded: number;
  /** Events for which too many bytes waited. */
  decision_logs_dropped_buffer_size_limit_bytes_exceeded: number;
  /** Events without what builtins answered, because that was too long. */
  decision_logs_nd_builtin_cache_dropped: number;
  /** Events too large for the sink. */
  decision_logs_encoding_failure: number;
}

/** What a {@link DecisionLog} has done since the start, and what it still has to. */
export interface DecisionLogFigures extends Readonly<DecisionLogCounters> {
  /** Decisions recorded and not encoded yet. */
  readonly pending: number;
  /** Events that wait for a sink. */
  readonly waiting: number;
  /** Their bytes. */
  readonly waiting_bytes: number;
}

export function noCounters(): DecisionLogCounters {
  return {
    decisions: 0,
    delivered: 0,
    delivery_failures: 0,
    dropped_by_policy: 0,
    dropped_masking_failed: 0,
    dropped_at_close: 0,
    decision_logs_dropped_rate_limit_exceeded: 0,
    decision_logs_dropped_buffer_size_limit_exceeded: 0,
    decision_logs_dropped_buffer_size_limit_bytes_exceeded: 0,
    decision_logs_nd_builtin_cache_dropped: 0,
    decision_logs_encoding_failure: 0,
  };
}
