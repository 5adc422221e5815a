import { commonGrowth, type Growth, isLeak } from "./leaks.ts";
import type { RunResult } from "./run.ts";
import type { Report } from "./worker.ts";

/** The last line of `--json`. */
export interface Figures {
  readonly runs: number;
  readonly faults: number;
  readonly divergences: number;
  readonly stale_answers: number;
  readonly torn_answers: number;
  readonly leaks: number;
  readonly without_repair: boolean;
  /** Runs that broke off. */
  readonly failures: number;
  readonly failed_seeds: readonly number[];
  readonly decisions: number;
  readonly refused: number;
  readonly writes: number;
  readonly clusters: number;
  readonly seconds: number;
  /** How long after the last fault everything was equal, in milliseconds. */
  readonly converged_ms: { readonly median: number; readonly most: number };
  readonly bytes_per_fault: number;
  readonly by_fault: Readonly<Record<string, number>>;
}

/** Adds up what the runs report, and says at once what is wrong and how to see it again. */
export class Summary {
  readonly #withoutRepair: boolean;
  readonly #out: NodeJS.WritableStream;
  readonly #started = performance.now();
  readonly #results: RunResult[] = [];
  readonly #failed = new Set<number>();
  readonly #growths: Growth[] = [];
  #leaks = 0;
  #failures = 0;

  constructor(withoutRepair: boolean, out: NodeJS.WritableStream) {
    this.#withoutRepair = withoutRepair;
    this.#out = out;
  }

  begin(seeds: readonly number[]): void {
    this.#say(`chaos: ${seeds.length} runs, seeds ${seeds[0]} to ${seeds.at(-1)}`);
  }

  note(report: Report): void {
    switch (report.kind) {
      case "result":
        this.#note(report.result);
        break;
      case "failed":
        this.#failures++;
        this.#blame(report.seed, [report.message]);
        break;
      case "consumers":
        if (report.left === 0) break;
        this.#leaks += report.left;
        this.#blame(report.seed, [`leaked: ${report.left} consumers left on the server`]);
        break;
      case "memory":
        this.#growths.push(report);
        if (report.faults > 0) {
          this.#say(
            `memory over the last ${report.faults} faults of a process: ${report.bytesPerFault} bytes more with every fault, ${report.memories} more memories of policies`,
          );
        }
        this.#leaks += report.held.length;
        for (const part of report.held) this.#say(`leaked: ${part} held after the last bridge`);
        break;
      case "warning":
        this.#leaks++;
        this.#say(`the process warns: ${report.message}`);
        break;
    }
  }

  /** A worker has ended; `problem` says what was wrong with that. */
  ended(problem: string | undefined): void {
    if (problem === undefined) return;
    this.#failures++;
    this.#say(problem);
  }

  /** All workers have ended. */
  end(): Figures {
    const common = commonGrowth(this.#growths);
    if (isLeak(common)) {
      this.#leaks++;
      this.#say("leaked: memory grows with every fault");
    }
    const sum = (of: (result: RunResult) => number): number =>
      this.#results.reduce((total, result) => total + of(result), 0);
    const byFault: Record<string, number> = {};
    for (const { faults } of this.#results) {
      for (const [name, count] of Object.entries(faults)) {
        byFault[name] = (byFault[name] ?? 0) + count;
      }
    }
    const converged = this.#results.map(({ convergedMs }) => convergedMs).toSorted((a, b) => a - b);
    const figures: Figures = {
      runs: this.#results.length,
      faults: Object.values(byFault).reduce((total, count) => total + count, 0),
      divergences: sum((result) => result.divergences),
      stale_answers: sum((result) => result.staleAnswers),
      torn_answers: sum((result) => result.tornAnswers),
      leaks: this.#leaks + sum((result) => result.leaks),
      without_repair: this.#withoutRepair,
      failures: this.#failures,
      failed_seeds: [...this.#failed],
      decisions: sum((result) => result.decisions),
      refused: sum((result) => result.refused),
      writes: sum((result) => result.writes),
      clusters: sum((result) => (result.nodes > 1 ? 1 : 0)),
      seconds: Math.round((performance.now() - this.#started) / 1_000),
      converged_ms: {
        median: converged[Math.floor(converged.length / 2)] ?? 0,
        most: converged.at(-1) ?? 0,
      },
      bytes_per_fault: common.bytesPerFault,
      by_fault: byFault,
    };
    this.#say(
      `${figures.runs} runs with ${figures.faults} faults and ${figures.decisions} decisions in ${figures.seconds} s: ` +
        `${figures.divergences} divergences, ${figures.stale_answers} stale answers, ` +
        `${figures.torn_answers} torn answers, ${figures.leaks} leaks, ${figures.failures} failures`,
    );
    return figures;
  }

  /** Whether nothing was wrong; or, for a bridge that can't repair, whether that was found. */
  get asExpected(): boolean {
    if (this.#failures > 0 || this.#results.length === 0) return false;
    if (!this.#withoutRepair) return this.#failed.size === 0 && this.#leaks === 0;
    const found = (of: (result: RunResult) => number): boolean =>
      this.#results.some((result) => of(result) > 0);
    return found(({ divergences }) => divergences) && found(({ staleAnswers }) => staleAnswers);
  }

  #note(result: RunResult): void {
    this.#results.push(result);
    const { seed, divergences, staleAnswers, tornAnswers, leaks, findings } = result;
    if (divergences + staleAnswers + tornAnswers + leaks > 0) this.#blame(seed, findings);
    const faults = Object.entries(result.faults).map(([name, n]) =>
      n > 1 ? `${name}×${n}` : name,
    );
    this.#say(
      `seed ${seed}: ${result.nodes === 1 ? "server" : "cluster"}, ${result.ms} ms, equal after ${result.convergedMs} ms, ` +
        `${result.decisions} decisions (${result.refused} refused), ${result.writes} writes; ${faults.join(" ")}`,
    );
  }

  #blame(seed: number, findings: readonly string[]): void {
    this.#failed.add(seed);
    this.#say(`seed ${seed} FAILED; again: npm run chaos -- --seed ${seed}`);
    for (const finding of findings) this.#say(`  ${finding}`);
  }

  #say(line: string): void {
    this.#out.write(`${line}\n`);
  }
}
