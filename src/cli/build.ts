import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { BridgeError, messageOf, quote } from "../errors.ts";
import { provideTool } from "../tools/provide-tool.ts";
import { collect } from "./source.ts";

const CAPABILITIES = fileURLToPath(new URL("../../capabilities.json", import.meta.url));

/** `nats-opa-bridge build`: OPA's own compiler, with the bridge's builtins declared. */
export function buildCommand(): Command {
  return new Command("build")
    .description("compile Rego to a bundle, with opa and the capabilities of this package")
    .argument("<paths...>", "files and directories with Rego and data")
    .requiredOption(
      "-e, --entrypoint <path>",
      "a decision to answer, such as authz/allow; give it as often as needed",
      collect,
    )
    .option("-o, --output <file>", "where the bundle goes", "bundle.tar.gz")
    .option("-r, --revision <text>", "the bundle's revision, which answers can tell")
    .option("--wasm-include-print", "keep print(), whose texts go to the log; left out otherwise")
    .addHelpText(
      "after",
      `
Example:
  $ nats-opa-bridge build ./policies -e authz/allow -e authz/decision -r v42

Exit codes: 0 the bundle is written; 1 opa refused the policy; 2 the arguments were refused, or opa can't be had.
`,
    )
    .action(build);
}

interface BuildOptions {
  readonly entrypoint: readonly string[];
  readonly output: string;
  readonly revision?: string;
  readonly wasmIncludePrint?: boolean;
}

async function build(paths: readonly string[], options: BuildOptions): Promise<void> {
  const opa = await provideTool("opa");
  const { entrypoint, output, revision, wasmIncludePrint } = options;
  const args = ["build", "-t", "wasm", "--capabilities", CAPABILITIES, "-o", output];
  for (const path of entrypoint) args.push("-e", path);
  if (revision !== undefined) args.push("-r", revision);
  if (wasmIncludePrint) args.push("--wasm-include-print");
  const [code, signal] = await ended(spawn(opa, [...args, "--", ...paths], { stdio: "inherit" }));
  if (code !== 0) {
    throw new BridgeError(
      "TOOL_FAILED",
      `opa build ended with ${signal ?? `exit code ${code}`} for ${quote(paths.join(" "))}; its messages are above.`,
    );
  }
  process.stderr.write(`wrote ${output}\n`);
}

async function ended(child: ChildProcess): Promise<[number | null, NodeJS.Signals | null]> {
  try {
    return (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
  } catch (error) {
    throw new BridgeError(
      "TOOL_FAILED",
      `${quote(child.spawnfile)} can't be started (${messageOf(error)}); set OPA_BIN to the path of opa.`,
      { cause: error },
    );
  }
}
