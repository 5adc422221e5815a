/** A signal that aborts with another one, or when its time is over. */
export interface LimitedSignal {
  readonly signal: AbortSignal;
  /** Whether it has aborted because of the time. */
  readonly timedOut: boolean;
  /** Aborts it now. */
  abort(): void;
  /** To be called once nobody needs it any more; nothing is left behind then. */
  release(): void;
}

/**
 * Instead of `AbortSignal.any` with `AbortSignal.timeout`, whose signals Node 20 keeps for ever, with all that hangs
 * on them, when one of them is aborted while somebody listens.
 */
export function limitedSignal(parent: AbortSignal, ms: number): LimitedSignal {
  const controller = new AbortController();
  let timedOut = false;
  const release = (): void => {
    clearTimeout(timer);
    parent.removeEventListener("abort", abort);
  };
  const abort = (): void => {
    release();
    controller.abort();
  };
  const timer = setTimeout(() => {
    timedOut = true;
    abort();
  }, ms);
  parent.addEventListener("abort", abort);
  if (parent.aborted) abort();
  return {
    signal: controller.signal,
    get timedOut() {
      return timedOut;
    },
    abort,
    release,
  };
}
