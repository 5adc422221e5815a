import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The root of the repository, with a slash at its end. */
export const ROOT: string = fileURLToPath(new URL("../../", import.meta.url));

/** A fenced block of a document. */
export interface Block {
  /** The document's path from the root. */
  readonly file: string;
  /** Of its first fence, counted from 1. */
  readonly line: number;
  readonly language: string;
  /** Without the fences and their indentation. */
  readonly text: string;
}

/** The documents that are checked: the README, what lies beside it and in docs; not what is generated there. */
export function documents(): string[] {
  const isDocument = (name: string): boolean => name.endsWith(".md") && name !== "README.md";
  const beside = readdirSync(ROOT).filter(isDocument).toSorted();
  const inDocs = readdirSync(`${ROOT}docs`).filter(isDocument).toSorted();
  return ["README.md", ...beside, ...inDocs.map((name) => `docs/${name}`)];
}

export function readDocument(file: string): string {
  return readFileSync(ROOT + file, "utf8");
}

/** The fenced blocks of all documents, in order. */
export function allBlocks(): Block[] {
  return documents().flatMap((file) => blocksOf(file, readDocument(file)));
}

/** Throws where a fence is not closed, as everything behind it would be taken for something else. */
export function blocksOf(file: string, text: string): Block[] {
  const blocks: Block[] = [];
  let open: { line: number; fence: string; language: string; lines: string[] } | undefined;
  for (const [index, line] of text.split("\n").entries()) {
    if (open !== undefined) {
      if (line.trimEnd() === open.fence) {
        blocks.push({
          file,
          line: open.line,
          language: open.language,
          text: open.lines.map((inner) => `${inner}\n`).join(""),
        });
        open = undefined;
      } else {
        const indent = /^ */.exec(open.fence)![0].length;
        open.lines.push(line.replace(new RegExp(`^ {0,${indent}}`), ""));
      }
      continue;
    }
    const start = /^( *(`{3,}|~{3,}))([^`]*)$/.exec(line);
    if (start === null) continue;
    const [, fence, , info] = start;
    open = { line: index + 1, fence: fence!, language: info!.trim(), lines: [] };
  }
  if (open !== undefined) throw new Error(`${file}:${open.line}: the fence is not closed`);
  return blocks;
}

/** The one block of a document that begins so. */
export function blockOf(file: string, begins: string): Block {
  const found = blocksOf(file, readDocument(file)).filter(({ text }) => text.startsWith(begins));
  if (found.length !== 1) throw new Error(`${file} has ${found.length} blocks with ${begins}`);
  return found[0]!;
}

/** The block after this one, where nothing but a line of text at most stands between them. */
export function blockAfter(block: Block): Block | undefined {
  const lines = readDocument(block.file).split("\n");
  const end = block.line + block.text.split("\n").length;
  const next = blocksOf(block.file, lines.join("\n")).find(({ line }) => line > block.line);
  if (next === undefined) return undefined;
  const between = lines.slice(end, next.line - 1).filter((line) => line.trim() !== "");
  return between.length <= 1 ? next : undefined;
}
