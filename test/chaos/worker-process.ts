import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Order, Report } from "./worker.ts";

const FILE = fileURLToPath(new URL("./worker.js", import.meta.url));
/** How long a worker may take to end by itself once it has nothing to do, besides looking at its last servers. */
const ENDING_MS = 90_000;

export interface WorkerProcess {
  /** Resolves when the run is over; false when the worker is. */
  run(order: Exclude<Order, "end">): Promise<boolean>;
  /** Resolves with what was wrong with the worker's end, if anything was. */
  end(): Promise<string | undefined>;
}

/** A process that makes one run after the other, so that what a run leaves behind shows in the next. */
export function startWorker(onReport: (report: Report) => void): WorkerProcess {
  const child = fork(FILE, {
    execArgv: ["--expose-gc", "--disable-warning=ExperimentalWarning"],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  let over: ((alive: boolean) => void) | undefined;
  const exited = new Promise<string | undefined>((resolve) => {
    child.once("exit", (code, signal) => {
      over?.(false);
      resolve(code === 0 ? undefined : `a worker ended with ${signal ?? `code ${code}`}`);
    });
  });
  child.on("message", (report: Report) => {
    onReport(report);
    if (report.kind !== "result" && report.kind !== "failed") return;
    over?.(true);
    over = undefined;
  });
  return {
    run(order) {
      if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(false);
      return new Promise((resolve) => {
        over = resolve;
        child.send(order);
      });
    },
    async end() {
      if (child.connected) child.send("end" satisfies Order);
      const timer = setTimeout(() => child.kill("SIGKILL"), ENDING_MS);
      const problem = await exited;
      clearTimeout(timer);
      return problem;
    },
  };
}
