import { readFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import type { Logger } from "../common/logger.ts";
import { parseJsonText } from "../common/json-text.ts";
import { fileBundle } from "../config/bundles.ts";
import { loadConfig, parseConfig } from "../config/load.ts";
import type { BridgeConfig } from "../config/types.ts";
import { BridgeError, quote } from "../errors.ts";
import { noteLine } from "./progress.ts";

/** Where a command finds NATS and the policy. */
export interface SourceOptions {
  readonly config?: string;
  readonly server?: string;
  readonly bundle?: string;
}

/** Adds the options that {@link configOf} reads. */
export function withSource(command: Command): Command {
  return command
    .option("-c, --config <file>", "YAML or JSON, in OPA's format with plugins.nats")
    .addOption(
      new Option(
        "-s, --server <url>",
        "in its place, the address of a NATS server that asks for no credentials",
      ).conflicts("config"),
    )
    .option("-b, --bundle <file>", "the bundle or .wasm, in the place of the configuration's");
}

/**
 * The configuration for a command that asks on its own behalf: nothing of what it does is written to the
 * decision log, and it fails where NATS is not there.
 */
export async function configOf({ config, server, bundle }: SourceOptions): Promise<BridgeConfig> {
  if (config === undefined && server === undefined) {
    throw new BridgeError(
      "CONFIG_INVALID",
      "It is not said where NATS is; give --config FILE, or --server nats://localhost:4222.",
    );
  }
  const given =
    config === undefined
      ? parseConfig({ nats: { server_url: server } })
      : await loadConfig(config, {});
  const { upload: _, subject: __, ...decisionLogs } = given.decisionLogs;
  return {
    ...given,
    nats: { ...given.nats, retryOnFailedConnect: false },
    decisionLogs: { ...decisionLogs, console: false },
    ...(bundle !== undefined && { bundles: [fileBundle("bundle", bundle)] }),
  };
}

/** A configuration that has a policy, too. Throws `CONFIG_INVALID`. */
export async function configWithPolicy(options: SourceOptions): Promise<BridgeConfig> {
  const config = await configOf(options);
  if (config.bundles.length > 0) return config;
  throw new BridgeError(
    "CONFIG_INVALID",
    "There is no policy to ask; give --bundle FILE, or name a bundle under bundles in the configuration.",
  );
}

/** Says on standard error what a person should know, as plain lines. */
export const terminalLogger: Logger = {
  debug: () => undefined,
  info: (details, message) => {
    if ("print" in details) noteLine(message);
  },
  warn: (_details, message) => noteLine(`warning: ${message}`),
  error: (_details, message) => noteLine(`error: ${message}`),
};

/** The JSON text of a file, or of standard input for `-`. Throws `INPUT_INVALID`. */
export async function readJson(file: string): Promise<string> {
  const content = await readInput(file);
  const text = parseJsonText(content);
  if (text !== undefined) return text;
  throw new BridgeError("INPUT_INVALID", `${nameOf(file)} is not JSON.`);
}

/** The text of a file, or of standard input for `-`. Throws `INPUT_INVALID`. */
export async function readInput(file: string): Promise<string> {
  if (file === "-") {
    process.stdin.setEncoding("utf8");
    let text = "";
    for await (const chunk of process.stdin) text += chunk as string;
    return text;
  }
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new BridgeError(
      "INPUT_INVALID",
      `${nameOf(file)} can't be read (${code}); check its path.`,
    );
  }
}

function nameOf(file: string): string {
  return file === "-" ? "Standard input" : `The file ${quote(file)}`;
}

/** Collects the values of an option that may be given more than once. */
export function collect(value: string, values?: readonly string[]): readonly string[] {
  return [...(values ?? []), value];
}

/** A name from elsewhere for a terminal: nothing in it can move the cursor or reorder what is shown. */
export function shown(text: string, maxLength: number = Infinity): string {
  // Control and format characters: those that move the cursor, join, or turn around what stands beside them.
  const safe = text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    return `\\u${character.codePointAt(0)!.toString(16).padStart(4, "0")}`;
  });
  return safe.length > maxLength ? `${safe.slice(0, maxLength)}…` : safe;
}
