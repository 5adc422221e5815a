import { setTimeout as delay } from "node:timers/promises";

/** A promise with its two ends at hand (`Promise.withResolvers`, which Node 20 does not have). */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
}

export function deferred<T = void>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

/**
 * What is nearly always there at once, and a promise where it has to be waited for: what happens thousands of times a
 * second is not to pay for a promise at every step. Whatever answers with one throws or rejects.
 */
export type Soon<T> = T | Promise<T>;

/** What `use` makes of a value, at once where that is there. */
export function andThen<T, U>(value: Soon<T>, use: (value: T) => Soon<U>): Soon<U> {
  return value instanceof Promise ? value.then(use) : use(value);
}

/** Does something, and tells what came of it before anybody else learns it. */
export function telling<T>(
  act: () => Soon<T>,
  onValue: (value: T) => void,
  onError: (error: unknown) => void,
): Soon<T> {
  const told = (value: T): T => {
    onValue(value);
    return value;
  };
  const refused = (error: unknown): never => {
    onError(error);
    throw error;
  };
  let value: Soon<T>;
  try {
    value = act();
  } catch (error) {
    return refused(error);
  }
  return value instanceof Promise ? value.then(told, refused) : told(value);
}

/** Resolves after `ms` milliseconds, or as soon as the signal aborts; it never rejects. */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal });
  } catch {
    // Aborted: whoever sleeps looks at the signal.
  }
}

/** Waits for `promise`, but no longer than `ms` milliseconds; then it rejects with what `onTimeout` makes. */
export async function within<T>(
  ms: number,
  promise: Promise<T>,
  onTimeout: () => Error,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(onTimeout()), ms);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
