import { spawn } from "node:child_process";
import { BridgeError } from "../errors.ts";

/** Settings of {@link runProgram}. */
export interface RunOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Gets every line that the program writes, standard output and errors alike. */
  log?: (line: string) => void;
  /** Milliseconds until the program is ended; default 15 minutes, as a compilation may take that long. */
  timeoutMs?: number;
}

/**
 * Runs a program without input and returns what it wrote to standard output.
 *
 * @throws BridgeError `TOOL_FAILED` when it can't be started, takes too long or ends with an error; the
 * message has the last lines it wrote.
 */
export function runProgram(
  file: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { cwd, env, log, timeoutMs = 900_000 } = options;
  const child = spawn(file, args, {
    cwd,
    env,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: timeoutMs,
  });
  let stdout = "";
  const last: string[] = [];
  const take = (text: string): void => {
    for (const line of text.split("\n")) {
      if (line.trim() === "") continue;
      log?.(line);
      last.push(line);
      if (last.length > 8) last.shift();
    }
  };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    take(text);
  });
  child.stderr.setEncoding("utf8").on("data", take);
  const command = [file, ...args].join(" ");
  return new Promise<string>((resolve, reject) => {
    child.once("error", (cause) => {
      reject(new BridgeError("TOOL_FAILED", `Can't start ${command}: ${cause.message}`, { cause }));
    });
    child.once("close", (code, signal) => {
      if (code === 0) {
        resolve(stdout);
        return;
      }
      const how = signal === null ? `code ${code}` : `signal ${signal}`;
      reject(
        new BridgeError(
          "TOOL_FAILED",
          `${command} ended with ${how}:\n${last.join("\n")}`.trimEnd(),
        ),
      );
    });
  });
}
