import { spawn } from "node:child_process";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { vi } from "vitest";
import { findTool } from "../../src/tools/find-tool.ts";
import { endAtExit } from "./exit.ts";
import { freePort } from "./ports.ts";

/**
 * Where a test's opa is; undefined where there is none on a person's machine, so that the test is skipped. In
 * CI, opa must be there.
 */
export async function opaForTests(): Promise<string | undefined> {
  const file = await findTool("opa");
  if (file === undefined && process.env["CI"] === "true") {
    throw new Error("opa is not there; CI must provide it, with OPA_BIN or on PATH");
  }
  return file;
}

/** A real `opa run --server` on 127.0.0.1. */
export interface OpaServer extends AsyncDisposable {
  readonly url: string;
}

/** Starts OPA with the Rego of a folder and with data. */
export async function startOpa(
  opa: string,
  policies: string,
  data: string,
  args: readonly string[] = [],
): Promise<OpaServer> {
  const folder = await mkdtemp(join(tmpdir(), "opa-"));
  await writeFile(join(folder, "data.json"), data);
  const addr = `127.0.0.1:${await freePort()}`;
  const files = (await readdir(policies)).filter((file) => file.endsWith(".rego"));
  const sources = [...files.map((file) => join(policies, file)), join(folder, "data.json")];
  const fixed = ["run", "--server", "--addr", addr, "--log-level", "error", "--disable-telemetry"];
  const child = spawn(opa, [...fixed, ...args, ...sources], { stdio: "ignore" });
  endAtExit.add(child);
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const url = `http://${addr}`;
  await vi.waitFor(async () => void (await fetch(`${url}/health`)), { timeout: 20_000 });
  return {
    url,
    async [Symbol.asyncDispose]() {
      child.kill();
      await ended;
      endAtExit.delete(child);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
