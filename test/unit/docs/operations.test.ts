import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readDocument, ROOT } from "../../docs/blocks.ts";
import { rules } from "../../docs/alerts.ts";
import { typeChecked } from "../../docs/typescript.ts";
import { scratch } from "../../integration/cli/cli.ts";

const OPERATIONS = readDocument("docs/operations.md");

/** The rows of the table whose head begins so, as cells. */
function rowsOf(head: string): string[][] {
  const [, table] = OPERATIONS.split(`\n| ${head} `);
  const [rows] = table!.split("\n\n");
  return rows!
    .split("\n")
    .slice(2)
    .filter((line) => line.startsWith("|"))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

function quoted(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, text]) => text!);
}

/** What the types say of paths in the status, such as `watch.buckets[].doubt`; empty where all is well. */
async function problemsWith(paths: readonly string[]): Promise<string[]> {
  await using dir = await scratch();
  const file = join(dir.path, "paths.ts");
  const typeOf = (path: string): string =>
    path
      .replaceAll("[]", ".[]")
      .split(".")
      .reduce((type, name) => {
        const key = name === "[]" ? "number" : name === "*" ? "string" : JSON.stringify(name);
        return `NonNullable<${type}>[${key}]`;
      }, "BridgeStatus");
  const lines = paths.map((path, index) => `export type T${index} = ${typeOf(path)};`);
  const imported = `import type { BridgeStatus } from ${JSON.stringify(`${ROOT}src/bridge-status.ts`)};`;
  await writeFile(file, [imported, ...lines].join("\n"));
  return typeChecked(file, { noEmit: true, allowImportingTsExtensions: true }).problems;
}

describe("docs/operations.md", () => {
  it("says what to do about every alert, and about no other", async () => {
    const named = rowsOf("Alert").map(([alert]) => quoted(alert!)[0]);
    const alerts = (await rules()).map(({ alert }) => alert);
    expect(named).toEqual(alerts);
    expect(alerts.length).toBeGreaterThan(10);
  });

  it("names fields that the status has", { timeout: 120_000 }, async () => {
    const paths = [
      ...rowsOf("What you see").flatMap(([, where]) => quoted(where!)),
      ...rowsOf("Alert").flatMap(([, what]) =>
        quoted(what!).filter((text) =>
          /^(nats|watch|bundles|decisionLog|feed|policy)\./.test(text),
        ),
      ),
    ].filter((path) => !path.startsWith("feed.max_"));
    expect(paths.length).toBeGreaterThan(30);
    expect(await problemsWith(paths)).toEqual([]);
    // What finds nothing wrong must be able to.
    expect(await problemsWith(["nats.no_such"])).toHaveLength(1);
  });
});
