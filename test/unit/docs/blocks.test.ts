import { describe, expect, it } from "vitest";
import { allBlocks, documents, readDocument } from "../../docs/blocks.ts";
import { isFlag, isOurs, problemsOf } from "../../docs/commands.ts";
import { HANDLED, handlersOf, titleOf } from "../../docs/handled.ts";

const BLOCKS = allBlocks();

describe("the fenced blocks of the documents", () => {
  it("each have one who shows that they are right, and none is missed", () => {
    const counts = BLOCKS.map((block) => [
      `${block.file}:${block.line} ${block.text.split("\n")[0]}`,
      handlersOf(block).length,
    ]);
    expect(counts.filter(([, count]) => count !== 1)).toEqual([]);
    const unused = HANDLED.filter(
      (one) => !BLOCKS.some((block) => handlersOf(block).includes(one)),
    );
    expect(unused.map(({ file, begins }) => [file, begins])).toEqual([]);
    expect(BLOCKS.length).toBeGreaterThan(10);
  });

  it.each(
    BLOCKS.flatMap((block) => {
      const quick = handlersOf(block).filter((handled) => handled.quick);
      return quick.map((handled) => [titleOf(block, handled), handled, block] as const);
    }),
  )("%s is right", async (_title, { check }, block) => {
    await check(block);
    expect(block.text).not.toBe("");
  });
});

describe("commands in the text of the documents", () => {
  const spans = documents().flatMap((file) =>
    [...readDocument(file).matchAll(/`([^`\n]+)`/g)].map(([, text]) => [file, text!] as const),
  );

  it("name scripts, commands and flags that are there", () => {
    const commands = spans.filter(([, text]) => isOurs(text));
    expect(commands.length).toBeGreaterThan(5);
    expect(
      commands.flatMap(([file, text]) => problemsOf(text).map((what) => `${file}: ${what}`)),
    ).toEqual([]);
  });

  it("names flags that some command has", () => {
    const flags = spans.filter(([, text]) => text.startsWith("--"));
    expect(flags.length).toBeGreaterThan(3);
    const unknown = flags.filter(([, text]) => !isFlag(text.split(/[ =]/)[0]!));
    expect(unknown).toEqual([]);
  });
});
