import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Builtin } from "../../src/policy/builtins/registry.ts";
import { RegoSet, type Value } from "../../src/policy/builtins/value.ts";
import { parseValue } from "../../src/policy/builtins/value-text.ts";
import { Query } from "../../src/policy/query.ts";

const execute = promisify(execFile);

/** One call of a builtin; its arguments as JSON has them. */
export interface BuiltinCase {
  readonly name: string;
  readonly args: readonly unknown[];
}

/** What a builtin has answered: a list of one value, or of none where it is undefined or has failed. */
export type BuiltinAnswer = readonly Value[];

/** What `opa eval` answers to calls of builtins. */
export async function answersOfOpa(
  opa: string,
  cases: readonly BuiltinCase[],
): Promise<BuiltinAnswer[]> {
  const folder = await mkdtemp(join(tmpdir(), "opa-eval-"));
  try {
    const [policy, input] = [join(folder, "policy.rego"), join(folder, "input.json")];
    const bodies = [...new Map(cases.map((each) => [each.name, each.args.length]))].map(
      ([name, count]) => {
        const args = Array.from({ length: count }, (_, index) => `c.args[${index}]`);
        return `call(c) := ${name}(${args.join(", ")}) if c.name == "${name}"`;
      },
    );
    const answers = "answers := [[x | x := call(c)] | some c in input]";
    await writeFile(policy, `package differential\n\n${[answers, ...bodies].join("\n\n")}\n`);
    await writeFile(input, JSON.stringify(cases));
    const args = ["eval", "--format", "raw", "--data", policy, "--input", input];
    const { stdout } = await execute(opa, [...args, "data.differential.answers"], {
      maxBuffer: 512 * 1024 * 1024,
    });
    return parseValue(stdout) as Value[][];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What builtins of ours answer. Sets become lists, as they do where OPA shows them as JSON. */
export function answersOfOurs(
  builtins: ReadonlyMap<string, Builtin>,
  cases: readonly BuiltinCase[],
): BuiltinAnswer[] {
  return cases.map(({ name, args }) => {
    const builtin = builtins.get(name);
    if (builtin === undefined) throw new Error(`there is no builtin ${name}`);
    try {
      const answer = builtin(
        args.map((each) => JSON.stringify(each)),
        new Query(false),
      );
      if (answer === undefined) return [];
      const value = parseValue(answer);
      return [value instanceof RegoSet ? value.values : value];
    } catch {
      return [];
    }
  });
}
