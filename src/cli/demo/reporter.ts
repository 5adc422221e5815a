/** One question to the service, and what it answered. */
export interface Answer {
  readonly address: string;
  readonly input: object;
  readonly decision: {
    readonly allow: boolean;
    readonly reason: string;
    readonly watched: boolean;
    readonly roles: readonly string[];
  };
}

/** How the demo tells what happens: in words for people, or as JSON lines for programs. */
export interface Reporter {
  title(text: string): void;
  note(text: string): void;
  step(name: string, details: object): void;
  decision(name: string, answer: Answer, details?: object): void;
  readonly progress: ((done: number, total: number) => void) | undefined;
  curl(answer: Answer, change: string): void;
}

export function reporterFor(once: boolean): Reporter {
  return once ? jsonReporter() : textReporter();
}

function jsonReporter(): Reporter {
  const line = (fields: object): void => {
    process.stdout.write(`${JSON.stringify(fields)}\n`);
  };
  return {
    title: () => undefined,
    note: () => undefined,
    progress: undefined,
    curl: () => undefined,
    step: (step, details) => line({ step, ...details }),
    decision: (step, { input, decision }, details) => line({ step, decision, input, ...details }),
  };
}

const BAR_WIDTH = 40;

function textReporter(): Reporter {
  const say = (text: string): void => {
    process.stdout.write(`${text}\n`);
  };
  const terminal = process.stdout.isTTY;
  return {
    title: (text) => say(`\n${text}`),
    note: say,
    step(name, details) {
      if (name === "done") return;
      const parts = Object.entries(details).map(([key, value]) => `${key} ${String(value)}`);
      say(`   ${parts.join(", ")}`);
    },
    decision(_name, { input, decision }, details) {
      const { user, action, resource } = input as Record<string, string>;
      const verdict = decision.allow ? "yes" : "no ";
      say(`   may ${user} ${action} ${resource}?  ${verdict}  (${decision.reason})`);
      const { revision, ms } = (details ?? {}) as { revision?: number; ms?: number };
      if (ms !== undefined) say(`   revision ${revision}: ${ms} ms from put to the new decision`);
    },
    progress: terminal
      ? (done, total) => {
          const filled = Math.round((done / total) * BAR_WIDTH);
          const bar = "█".repeat(filled) + "░".repeat(BAR_WIDTH - filled);
          process.stdout.write(`\r   ${bar} ${done}/${total} keys${done === total ? "\n" : ""}`);
        }
      : undefined,
    curl({ address, input }, change) {
      say("\nAsk for more:");
      say(`   curl -s ${address} -d '${JSON.stringify({ input })}'`);
      say(`   curl -s '${new URL("/v1/status", address).href}'`);
      say("and change what is true (with the nats CLI):");
      say(`   ${change}`);
    },
  };
}
