import { setTimeout as delay } from "node:timers/promises";

// Asks one bridge for decisions, one after another, and knows what the answers have to be.

const ANSWER_TIMEOUT_MS = 10_000;
/** Some hundred decisions a second are enough to see a wrong one, and leave the machine its air. */
const PAUSE_MS = 5;

/** What bob may do by the latest write, and by the one before until the bridge has shown the latest. */
export class Truth {
  #latest = false;
  #number = 0;

  get latest() {
    return this.#latest;
  }

  /** How many times it changed. */
  get number() {
    return this.#number;
  }

  /** To be called before the write: from then on an answer may show it. */
  change(latest) {
    this.#latest = latest;
    this.#number++;
  }
}

export class Asker {
  asked = 0;
  failed = 0;
  wrong = 0;
  #url;
  #truth;
  #input;
  /** The number of the latest change of the truth that an answer has shown. */
  #shown = 0;
  #waiting = [];

  constructor(name, url, truth, input) {
    this.name = name;
    this.#url = url;
    this.#truth = truth;
    this.#input = input;
  }

  /** Resolves when the bridge decides by this revision of the bucket, or a later one. Rejects after `timeoutMs`. */
  async ready(revision, timeoutMs) {
    const demand = `min_revision=${this.#input.group}:${revision}&min_revision_timeout=5s`;
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      try {
        await this.#decide("alice", `?${demand}`);
        return;
      } catch (cause) {
        if (Date.now() > deadline) throw new Error(`${this.name} is not ready`, { cause });
      }
      await delay(100);
    }
  }

  /** Asks until the signal aborts. */
  async run(signal) {
    while (!signal.aborted) {
      await this.#ask("alice", () => true);
      await this.#ask("mallory", () => false);
      await this.#ask("bob", (answer) => this.#expectedOfBob(answer));
      await delay(PAUSE_MS);
    }
  }

  /** When (by performance.now) the bridge has shown the latest change. Rejects after `timeoutMs`. */
  async shows(timeoutMs) {
    const { number } = this.#truth;
    const { promise, resolve } = withResolvers();
    this.#waiting.push({ number, resolve });
    this.#tell();
    const late = new AbortController();
    try {
      return await Promise.race([
        promise,
        delay(timeoutMs, undefined, { signal: late.signal }).then(() => {
          throw new Error(`${this.name} does not show the write after ${timeoutMs} ms`);
        }),
      ]);
    } finally {
      late.abort();
    }
  }

  /** The latest is right from the moment that it is being written, the one before until the bridge has left it. */
  #expectedOfBob(answer) {
    const { latest, number } = this.#truth;
    if (this.#shown < number && answer === latest) {
      this.#shown = number;
      this.#tell();
    }
    return this.#shown < number ? !latest : latest;
  }

  #tell() {
    const now = performance.now();
    this.#waiting = this.#waiting.filter(({ number, resolve }) => {
      if (this.#shown < number) return true;
      resolve(now);
      return false;
    });
  }

  async #ask(user, expected) {
    this.asked++;
    let answer;
    try {
      answer = await this.#decide(user);
    } catch (error) {
      this.failed++;
      console.error(`${this.name} failed: ${error.cause ?? error}`);
      // What refuses every request is not to be asked thousands of times.
      await delay(100);
      return;
    }
    const right = expected(answer);
    if (answer === right) return;
    this.wrong++;
    console.error(`${this.name} is wrong: may ${user} pay? ${answer}; it has to be ${right}`);
  }

  /** The decision, or undefined where there is none. Throws what the bridge answers otherwise. */
  async #decide(user, parameters = "") {
    const response = await fetch(`${this.#url}/v1/data/authz/allow${parameters}`, {
      method: "POST",
      body: JSON.stringify({ input: { ...this.#input, user } }),
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    });
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
    return (await response.json()).result;
  }
}

/** Node 22 has it as Promise.withResolvers. */
function withResolvers() {
  let resolve;
  const promise = new Promise((done) => (resolve = done));
  return { promise, resolve };
}
