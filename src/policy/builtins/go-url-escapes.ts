/** The part of a URL that is escaped or unescaped. */
export type UrlPart = "path" | "host" | "zone" | "user" | "query" | "fragment";

/** What need not be escaped in a part, beside letters, digits and `-_.~`. */
const PLAIN: Readonly<Record<UrlPart, string>> = {
  path: "$&+,/:;=@",
  host: "!$&'()*+,;=:[]<>\"",
  zone: "!$&'()*+,;=:[]<>\"",
  user: "$&+,;=",
  query: "",
  fragment: "$&+,/:;=?@!()*",
};

const UNRESERVED = /[A-Za-z\d\-_.~]/;
/** What may stand in an escaped path or fragment besides, though Go would escape it. */
const TOLERATED = "!$&'()*+,;=:@[]%";
const PAIR = /^%([\dA-Fa-f]{2})/;

function isPlain(character: string, part: UrlPart): boolean {
  return UNRESERVED.test(character) || PLAIN[part].includes(character);
}

/** Whether nothing in it is left to be escaped. */
export function isEscaped(bytes: string, part: "path" | "fragment"): boolean {
  for (const character of bytes) {
    if (!TOLERATED.includes(character) && !isPlain(character, part)) return false;
  }
  return true;
}

/** Escapes bytes, one character each. */
export function escape(bytes: string, part: UrlPart): string {
  let text = "";
  for (const character of bytes) {
    if (isPlain(character, part)) text += character;
    else if (part === "query" && character === " ") text += "+";
    else text += `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return text;
}

/** The bytes, one character each; throws for what is no escape, or is not allowed in the part. */
export function unescape(bytes: string, part: UrlPart): string {
  const isHost = part === "host" || part === "zone";
  let result = "";
  for (let at = 0; at < bytes.length; at++) {
    const character = bytes[at]!;
    if (character === "%") {
      result += String.fromCharCode(codeAt(bytes, at, part));
      at += 2;
    } else if (isHost && character < "\u0080" && !isPlain(character, part)) {
      throw new Error(`invalid character ${JSON.stringify(character)} in host name`);
    } else result += part === "query" && character === "+" ? " " : character;
  }
  return result;
}

function codeAt(bytes: string, at: number, part: UrlPart): number {
  const text = bytes.slice(at, at + 3);
  const pair = PAIR.exec(text)?.[1];
  const wrong = new Error(`invalid URL escape ${JSON.stringify(text)}`);
  if (pair === undefined) throw wrong;
  const code = Number.parseInt(pair, 16);
  if (pair === "25") return code;
  // In a host only what is not ASCII may be escaped, in a zone what could stand there as it is, and spaces.
  if (part === "host" && code < 0x80) throw wrong;
  const character = String.fromCharCode(code);
  if (part === "zone" && character !== " " && !isPlain(character, "host")) throw wrong;
  return code;
}
