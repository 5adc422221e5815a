#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { isBridgeError, messageOf } from "../errors.ts";
import { buildCommand } from "./build.ts";
import { demoCommand } from "./demo/demo.ts";
import { serveCommand } from "./serve.ts";

/** Exit codes: 0 done, 1 failed while running, 2 refused before anything was started. */
const FAILED = 1;
const REFUSED = 2;

const { version } = JSON.parse(
  readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
) as { version: string };

const program = new Command("nats-opa-bridge")
  .description("Authorization decisions from OPA policies over live NATS KV buckets.")
  .version(version)
  .addCommand(serveCommand())
  .addCommand(demoCommand())
  .addCommand(buildCommand());

try {
  await program.parseAsync();
} catch (error) {
  // Errors that were raised on purpose say what to do; for others the place helps whoever reports them.
  const known = isBridgeError(error);
  process.stderr.write(known ? `${error.code}: ${error.message}\n` : `${stackOf(error)}\n`);
  process.exitCode = known && /^(?:CONFIG|BUNDLE|POLICY|TOOL)_/.test(error.code) ? REFUSED : FAILED;
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : messageOf(error);
}
