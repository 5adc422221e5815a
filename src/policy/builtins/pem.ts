import { isBase64 } from "./go-text.ts";

const BEGIN = "-----BEGIN ";
const END = "\n-----END ";
const DASHES = "-----";

/** One block of a PEM text (RFC 7468). */
export interface PemBlock {
  readonly label: string;
  readonly bytes: Buffer;
  /** What comes after it. */
  readonly rest: string;
}

/** The first block, undefined when there is none. `pem.Decode` of Go, in time proportional to the text. */
export function decodePem(text: string): PemBlock | undefined {
  let from = 0;
  // The first line that ends a block, and the last line before it that begins one: the others have no end.
  for (let end = text.indexOf(END); end >= 0; end = text.indexOf(END, from)) {
    const begin = text.slice(from, end).lastIndexOf(BEGIN) + from;
    if (begin >= from && (begin === from || text[begin - 1] === "\n")) {
      const block = readBlock(text, begin, end);
      if (block !== "skip") return block;
    }
    from = end + END.length;
  }
  return undefined;
}

/** All blocks, in order. */
export function decodePems(text: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  for (let block = decodePem(text); block !== undefined; block = decodePem(block.rest)) {
    blocks.push(block);
  }
  return blocks;
}

/** Undefined: there is no block at all; skip: there is none here. */
function readBlock(text: string, begin: number, end: number): PemBlock | undefined | "skip" {
  const [first, content] = lineAt(text, begin + BEGIN.length);
  if (!first.endsWith(DASHES)) return "skip";
  const label = first.slice(0, -DASHES.length);
  // Headers (`Proc-Type: …`) come first.
  let at = content;
  for (;;) {
    if (at >= text.length) return undefined;
    const [line, next] = lineAt(text, at);
    if (!line.includes(":")) break;
    if (at > end) return undefined;
    at = next;
  }
  if (at > end && at > content) return "skip";
  const trailer = `${label}${DASHES}`;
  const after = end + END.length;
  if (!text.startsWith(trailer, after)) return "skip";
  const [behind, rest] = lineAt(text, after + trailer.length);
  if (behind !== "") return "skip";
  const base64 = at < end ? text.slice(at, end).replaceAll(/[ \t]/g, "") : "";
  if (!isBase64(base64)) return "skip";
  return { label, bytes: Buffer.from(base64, "base64"), rest: text.slice(rest) };
}

/** The line that begins at an index, without white space at its end, and where the next one begins. */
function lineAt(text: string, at: number): [line: string, next: number] {
  const newline = text.indexOf("\n", at);
  let end = newline < 0 ? text.length : newline;
  if (newline > at && text[end - 1] === "\r") end--;
  while (end > at && (text[end - 1] === " " || text[end - 1] === "\t")) end--;
  return [text.slice(at, end), newline < 0 ? text.length : newline + 1];
}
