const BLOCK =
  /(?:^|\n)-----BEGIN ([^\r\n]*?)-----[ \t\r]*\n([\s\S]*?)-----END ([^\r\n]*?)-----[ \t\r]*(?:\n|$)/;

/** One block of a PEM text (RFC 7468). */
export interface PemBlock {
  readonly label: string;
  readonly bytes: Buffer;
  /** The block itself. */
  readonly text: string;
  /** What comes after it. */
  readonly rest: string;
}

/** The first block, undefined when there is none. */
export function decodePem(text: string): PemBlock | undefined {
  const match = BLOCK.exec(text);
  if (match === null || match[1] !== match[3]) return undefined;
  const [block, label = "", body = ""] = match;
  // Headers (`Proc-Type: …`) end with an empty line.
  const base64 = body.replace(/^(?:[^\n:]+:[^\n]*\n)+\r?\n/, "").replaceAll(/\s/g, "");
  if (!/^[A-Za-z\d+/]*={0,2}$/.test(base64)) return undefined;
  return {
    label,
    bytes: Buffer.from(base64, "base64"),
    text: block.trimStart(),
    rest: text.slice(match.index + block.length),
  };
}

/** All blocks, in order. */
export function decodePems(text: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  for (let block = decodePem(text); block !== undefined; block = decodePem(block.rest)) {
    blocks.push(block);
  }
  return blocks;
}
