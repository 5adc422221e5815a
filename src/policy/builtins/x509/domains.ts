/** ASCII without spaces. */
const PRINTABLE = /^[!-~]*$/;

/** A domain's name that certificates may have; the empty one is, too. Constraints may begin with a dot. */
export function isDomain(text: string, isConstraint = false): boolean {
  if (text === "") return true;
  if (text === ".") return false;
  const name = isConstraint && text.startsWith(".") ? text.slice(1) : text;
  return PRINTABLE.test(name) && !hasEmptyLabel(name);
}

function hasEmptyLabel(name: string): boolean {
  return name.startsWith(".") || name.endsWith(".") || name.includes("..");
}

/** A mailbox (RFC 2821): what stands before the `@`, and behind it. */
export interface Mailbox {
  readonly local: string;
  readonly domain: string;
}

const ATOM = /[\dA-Za-z!#$%&'*+\-/=?^_`{|}~.]/;

/** The parts of a mailbox; undefined for what is none. */
export function parseMailbox(text: string): Mailbox | undefined {
  const parsed = text.startsWith('"') ? quotedLocal(text) : plainLocal(text);
  if (parsed === undefined) return undefined;
  const [local, at] = parsed;
  if (text[at] !== "@") return undefined;
  const domain = text.slice(at + 1);
  return PRINTABLE.test(domain) && !hasEmptyLabel(domain) ? { local, domain } : undefined;
}

function quotedLocal(text: string): [local: string, end: number] | undefined {
  let local = "";
  for (let at = 1; at < text.length; at++) {
    const character = text[at]!;
    if (character === '"') return [local, at + 1];
    if (character === "\\") {
      at++;
      const next = text.charCodeAt(at);
      // NUL, line breaks and what is not ASCII can't be quoted either.
      if (!(next > 0 && next < 0x80 && next !== 10 && next !== 13)) return undefined;
      local += text[at]!;
      continue;
    }
    const code = character.charCodeAt(0);
    if (code === 0 || code === 9 || code === 10 || code === 13 || code > 127) return undefined;
    local += character;
  }
  return undefined;
}

function plainLocal(text: string): [local: string, end: number] | undefined {
  let local = "";
  let at = 0;
  for (; at < text.length; at++) {
    if (text[at] === "\\") {
      at++;
      if (at === text.length) return undefined;
    } else if (!ATOM.test(text[at]!)) break;
    local += text[at]!;
  }
  if (local === "" || hasEmptyLabel(local)) return undefined;
  return [local, at];
}
