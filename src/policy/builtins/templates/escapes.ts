import { isPrintable } from "../go-quote.ts";
import type { Budget } from "./budget.ts";
import { sprint } from "./printing.ts";
import type { GoValue } from "./values.ts";

type Escape = (text: string) => string;

/** Prints what it is given, what is nil as no value, and escapes that. */
export function escaped(values: readonly GoValue[], budget: Budget, escape: Escape): string {
  const text = sprint(
    values.map((value) => value ?? "<no value>"),
    budget,
  );
  const result = escape(text);
  budget.spendText(result.length);
  return result;
}

const MARKUP: Readonly<Record<string, string>> = {
  "\0": "\uFFFD",
  '"': "&#34;",
  "'": "&#39;",
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
};

/** For markup. */
export function html(text: string): string {
  return text.replaceAll(/[\0"'&<>]/g, (character) => MARKUP[character]!);
}

const SCRIPT: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  "'": "\\'",
  '"': '\\"',
};

/** For a script's texts. */
export function js(text: string): string {
  return text.replaceAll(/[\\'"<>&=]|[^ -\u007f]/gu, (character) => {
    const known = SCRIPT[character];
    if (known !== undefined) return known;
    if (character > "\u007f" && isPrintable(character)) return character;
    return `\\u${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}`;
  });
}
