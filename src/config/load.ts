import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { LineCounter, parseDocument, type YAMLError } from "yaml";
import { BridgeError, quote } from "../errors.ts";
import { substituteEnv } from "./env.ts";
import { configError, forbiddenKeys, problemsOf } from "./problems.ts";
import { ruleProblems } from "./rules.ts";
import { configSchema } from "./schema.ts";
import type { BridgeConfig } from "./types.ts";
import { warningsOf } from "./warnings.ts";

/** For {@link loadConfig}. */
export interface LoadOptions {
  /** The variables for `${NAME}`. Default `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** For {@link parseConfig}. */
export interface ParseOptions {
  /** Where relative paths start. Default: the working directory. */
  readonly baseDir?: string;
}

/**
 * Reads a configuration file, YAML or JSON: replaces `${NAME}`, parses, checks, and fills in the
 * defaults. Relative paths in it start at the file's own folder. Secret files are not read yet: see
 * `readSecrets`.
 *
 * Throws `CONFIG_UNREADABLE` when the file can't be read or parsed, `CONFIG_INVALID` with every
 * problem of its content.
 */
export async function loadConfig(path: string, options: LoadOptions = {}): Promise<BridgeConfig> {
  const file = resolve(path);
  const source = `The configuration file ${quote(file)}`;
  const { text, warnings } = substituteEnv(await readText(file), options.env ?? process.env);
  return check(parseText(text, file), dirname(file), source, warnings);
}

/**
 * Checks a configuration that was written as an object, with the keys of `BridgeOptions`, and fills
 * in the defaults. `${NAME}` has no meaning here.
 *
 * Throws `CONFIG_INVALID` with every problem.
 */
export function parseConfig(value: unknown, options: ParseOptions = {}): BridgeConfig {
  return check(value, options.baseDir ?? process.cwd(), "The configuration", []);
}

function check(
  value: unknown,
  baseDir: string,
  source: string,
  warnings: readonly string[],
): BridgeConfig {
  // An empty file is a configuration of defaults.
  const input = value ?? {};
  const parsed = configSchema(baseDir).safeParse(input);
  const problems = [
    ...problemsOf(parsed.error?.issues ?? []),
    ...forbiddenKeys(input),
    ...ruleProblems(input),
  ];
  if (problems.length > 0 || !parsed.success) throw configError(source, input, problems);
  return { ...parsed.data, warnings: [...warnings, ...warningsOf(input)] };
}

async function readText(file: string): Promise<string> {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await readFile(file));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason =
      error instanceof TypeError
        ? "is not UTF-8 text; save it as UTF-8"
        : `can't be read (${code ?? "unknown error"}); check the path and its permissions`;
    throw unreadable(file, reason);
  }
}

function unreadable(file: string, reason: string): BridgeError {
  return new BridgeError("CONFIG_UNREADABLE", `The configuration file ${quote(file)} ${reason}.`);
}

/** JSON is YAML, so one parser reads both; it finds duplicate keys, which JSON.parse does not. */
function parseText(text: string, file: string): unknown {
  const lines = new LineCounter();
  // The library's pretty errors quote the source, where secrets stand.
  const document = attempt(file, () =>
    parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true }),
  );
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) {
    const { line, col } = lines.linePos(problem.pos[0]);
    throw unreadable(
      file,
      `is not valid YAML or JSON at line ${line}, column ${col}: ${wording(problem)}`,
    );
  }
  return attempt(file, (): unknown => document.toJS({ maxAliasCount: 100 }));
}

function attempt<T>(file: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    const reason =
      error instanceof ReferenceError
        ? "uses YAML aliases that are unknown or too many; write the values out"
        : "is nested too deeply or can't be parsed";
    throw unreadable(file, reason);
  }
}

/** What the parser says, without the end in which it quotes the source. */
function wording(problem: YAMLError): string {
  if (problem.code === "DUPLICATE_KEY") return "the key is given twice in one map; keep one";
  if (problem.code === "MULTIPLE_DOCS") return "a second document starts; keep one";
  return problem.message.split(/(?<=\S): |\\/)[0] ?? problem.code;
}
