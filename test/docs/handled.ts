import { expect } from "vitest";
import { PAYMENTS } from "../../src/cli/demo/example-data.ts";
import { allBlocks, type Block, blockAfter } from "./blocks.ts";
import { acceptConfig, canCompile, decideBy } from "./checks.ts";
import { problemsOf } from "./commands.ts";
import { deploys } from "./kubernetes.ts";
import { leafOfDomain, leafWithMirror } from "./leaf.ts";
import { isEnough } from "./permissions.ts";
import { type ProgramOptions, runProgram } from "./program.ts";
import { runSession, type SessionOptions } from "./session.ts";
import { canTransform, followsTenant } from "./tenant-stream.ts";
import { readmeConfig } from "./world.ts";

/** How one fenced block of a document is shown to be right. */
export interface Handled {
  readonly file: string;
  /** What the block begins with; no other block of the document does. */
  readonly begins: string;
  readonly kind: "config" | "session" | "answer" | "program" | "scenario" | "named" | "picture";
  /** Needs nothing but the sources; a unit test does it. */
  readonly quick: boolean;
  readonly check: (block: Block) => void | Promise<void>;
  /** Whether it can be checked here. Default: it can. */
  readonly possible?: () => Promise<boolean>;
}

/** A configuration file, accepted without a warning. */
function config(file: string, begins: string): Handled {
  return { file, begins, kind: "config", quick: true, check: acceptConfig };
}

/** Commands that are run. */
function session(file: string, begins: string, options: SessionOptions = {}): Handled {
  const check = (block: Block): Promise<void> => runSession(block, options);
  return { file, begins, kind: "session", quick: false, check };
}

/** What belongs to the block before it, which is checked together with it. */
function answer(file: string, begins: string): Handled {
  return { file, begins, kind: "answer", quick: true, check: follows };
}

/** A program that is compiled, with its types, and run. */
function program(file: string, begins: string, options: ProgramOptions): Handled {
  const check = (block: Block): Promise<void> => runProgram(block, options);
  return { file, begins, kind: "program", quick: false, check };
}

/** Something that is set up as the block says, on real servers. */
function scenario(
  file: string,
  begins: string,
  check: (block: Block) => Promise<void>,
  possible?: () => Promise<boolean>,
): Handled {
  return { file, begins, kind: "scenario", quick: false, check, ...(possible && { possible }) };
}

/** Commands that no test runs as they stand, for the reason given; what they name is there. */
function named(file: string, begins: string, _reason: string): Handled {
  const check = ({ text }: Block): void => expect(problemsOf(text)).toEqual([]);
  return { file, begins, kind: "named", quick: true, check };
}

/** Not a command, nor anything that a program reads or writes. */
function picture(file: string, begins: string): Handled {
  const check = ({ language }: Block): void => expect(language).toBe("text");
  return { file, begins, kind: "picture", quick: true, check };
}

/** Every fenced block of the documents; the tests fail for one that is not here. */
export const HANDLED: readonly Handled[] = [
  named(
    "README.md",
    "npm ci && npm run demo",
    "installs everything anew; the demo has tests of its own, and npm test is what runs this",
  ),
  program("README.md", "import { createBridge }", { writes: "true\n" }),
  config("README.md", "# config.yaml\n"),
  session("README.md", "npx nats-opa-bridge serve"),
  answer("README.md", '{ "result": true }'),
  session("README.md", "npx nats-opa-bridge check", {
    writes:
      /\n0 failed, 0 warnings\n\{"result":false\}\nput permit-groups-default users\.dave @\d+ \{\}\n$/,
    meanwhile: (world) => world.put("permit-groups-default", "users.dave", {}),
  }),
  named("README.md", "docker compose up --build", "starts containers"),
  scenario("README.md", "authorization {", isEnough),
  scenario(
    "README.md",
    "package authz",
    (block) =>
      decideBy(block, {
        path: "authz/allow",
        input: { group: PAYMENTS, user: "alice" },
        result: true,
      }),
    canCompile,
  ),
  config("README.md", '{\n  "services"'),
  config("README.md", "services:\n  logs:"),
  picture("docs/concepts.md", "NATS JetStream KV"),
  scenario("docs/operations.md", "apiVersion: v1\nkind: ConfigMap", deploys),
  scenario("docs/operations.md", "# The leaf node's server\n", leafWithMirror),
  answer("docs/operations.md", '{\n  "name": "KV_team-a"'),
  scenario("docs/operations.md", "# The leaf node's server;", leafOfDomain),
  session("docs/operations.md", "curl -s localhost:8181/health/ready"),
  answer("docs/operations.md", "{}"),
  session("docs/operations.md", "curl -s localhost:8181/v1/status"),
  answer("docs/operations.md", '{\n  "result": {\n    "nats"'),
  config("docs/migration.md", "plugins:"),
  scenario("docs/migration.md", '{\n  "name": "KV_acme"', followsTenant, canTransform),
  session("docs/feed.md", "curl -sN"),
  answer("docs/feed.md", 'data: {"type":"hello"'),
  program("docs/feed.md", "const socket", {
    config: readmeConfig,
    serve: true,
    writes: "hello\nsnapshot\nentries\ncomplete\n",
  }),
];

function follows(block: Block): void {
  const blocks = allBlocks();
  const before =
    blocks[blocks.findIndex(({ line, file }) => file === block.file && line === block.line) - 1]!;
  const { kind } = handlersOf(before)[0] ?? {};
  expect(["session", "scenario"]).toContain(kind);
  expect(blockAfter(before)).toEqual(block);
}

export function handlersOf({ file, text }: Block): Handled[] {
  return HANDLED.filter((one) => one.file === file && text.startsWith(one.begins));
}

/** What a test of the block is called. */
export function titleOf({ file, line }: Block, { kind, begins }: Handled): string {
  return `${file}:${line}, ${kind} (${begins.trim().split("\n")[0]})`;
}
