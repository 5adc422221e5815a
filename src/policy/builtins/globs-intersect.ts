/**
 * Whether some text matches both of two simple patterns (characters, `.`, `[a-z]`, each with `+` or `*`), by the
 * rules of the library that OPA uses, with each question answered once: its recursion alone would take
 * exponential time.
 */
export function globsIntersect(first: string, second: string): boolean {
  const [a, b] = [tokenize(first), tokenize(second)];
  if (a.length * b.length > MAX_WORK) throw new Error("the patterns are too long");
  return new Intersection(a, b).answer();
}

const MAX_WORK = 250_000;
/** What a set may hold, taken together. */
const MAX_CHARACTERS = 70_000;

type Flag = "" | "+" | "*";

interface Token {
  /** The characters that it stands for, undefined for all. */
  readonly characters: ReadonlySet<string> | undefined;
  readonly isSet: boolean;
  flag: Flag;
}

function matches(a: Token, b: Token): boolean {
  if (a.characters === undefined || b.characters === undefined) return true;
  const [few, many] =
    a.characters.size < b.characters.size
      ? [a.characters, b.characters]
      : [b.characters, a.characters];
  for (const character of few) if (many.has(character)) return true;
  return false;
}

function same(a: Token, b: Token): boolean {
  if (a.isSet !== b.isSet) return false;
  if (a.characters === undefined || b.characters === undefined) {
    return a.characters === b.characters;
  }
  if (a.characters.size !== b.characters.size) return false;
  return [...a.characters].every((character) => b.characters!.has(character));
}

class Intersection {
  readonly #tokens: readonly [readonly Token[], readonly Token[]];
  readonly #answers = new Map<string, boolean>();

  constructor(a: readonly Token[], b: readonly Token[]) {
    this.#tokens = [a, b];
  }

  answer(): boolean {
    return this.#normal(0, 0);
  }

  #normal(from: number, to: number): boolean {
    const [a, b] = this.#tokens;
    let [i, j] = [from, to];
    for (; i < a.length && j < b.length; i++, j++) {
      if (a[i]!.flag !== "") return this.#special(0, i, j);
      if (b[j]!.flag !== "") return this.#special(1, j, i);
      if (!matches(a[i]!, b[j]!)) return false;
    }
    return i === a.length && j === b.length;
  }

  /** `side` is the one whose token has a flag. */
  #special(side: 0 | 1, at: number, other: number): boolean {
    const token = this.#tokens[side][at]!;
    if (token.flag === "*") return this.#star(side, at, other);
    const opposite = this.#tokens[1 - side]![other]!;
    if (!matches(token, opposite)) return false;
    if (this.#star(side, at, other + 1)) return true;
    return opposite.flag !== "" && this.#both(side, at + 1, other);
  }

  #star(side: 0 | 1, at: number, other: number): boolean {
    const key = `${side} ${at} ${other}`;
    let answer = this.#answers.get(key);
    if (answer === undefined) this.#answers.set(key, (answer = this.#findStar(side, at, other)));
    return answer;
  }

  #findStar(side: 0 | 1, at: number, other: number): boolean {
    const [own, opposite] = [this.#tokens[side], this.#tokens[1 - side]!];
    const [star, next] = [own[at]!, own[at + 1]];
    for (let index = other; index < opposite.length; index++) {
      const token = opposite[index]!;
      if (next !== undefined && matches(token, next) && this.#both(side, at + 1, index))
        return true;
      if (!matches(token, star)) return false;
    }
    return next === undefined;
  }

  #both(side: 0 | 1, own: number, other: number): boolean {
    return side === 0 ? this.#normal(own, other) : this.#normal(other, own);
  }
}

function tokenize(text: string): Token[] {
  const reader = new PatternReader(text);
  const tokens: Token[] = [];
  for (let token = reader.token(); token !== undefined; token = reader.token()) {
    const last = tokens.at(-1);
    if (last !== undefined && token.flag !== "" && last.flag !== "" && same(token, last)) {
      if (token.flag === "+") last.flag = "+";
    } else tokens.push(token);
  }
  return tokens;
}

class PatternReader {
  readonly #text: string;
  readonly #characters: readonly string[];
  #at = 0;
  #count = 0;

  constructor(text: string) {
    this.#text = text;
    this.#characters = Array.from(text);
  }

  token(): Token | undefined {
    const next = this.#next();
    if (next === undefined) return undefined;
    const { character, escaped } = next;
    const set = escaped ? undefined : this.#special(character);
    const characters = set === undefined ? new Set([character]) : set;
    const isSet = !escaped && character === "[";
    const token = characters === ANY ? undefined : characters;
    return { characters: token, isSet, flag: this.#flag() };
  }

  #special(character: string): ReadonlySet<string> | undefined {
    if (character === ".") return ANY;
    if (character === "[") return this.#set();
    if (character === "]") throw this.#invalid("set-close ']' with no preceding '['");
    if (character === "+" || character === "*") {
      throw this.#invalid(`flag '${character}' must be preceded by a non-flag`);
    }
    return undefined;
  }

  #set(): ReadonlySet<string> {
    const found = new Set<string>();
    let previous: string | undefined;
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      const { character, escaped } = next;
      if (!escaped && character === "]") return found;
      if (escaped || character !== "-") {
        found.add((previous = character));
        continue;
      }
      if (previous === undefined) {
        throw this.#invalid("range character '-' must be preceded by a Unicode character");
      }
      this.#range(previous, found);
      previous = undefined;
    }
    throw this.#invalid("found [ without matching ]");
  }

  #range(first: string, found: Set<string>): void {
    if (this.#at >= this.#characters.length - 1) {
      throw this.#invalid("range character '-' must be followed by a Unicode character");
    }
    const { character, escaped } = this.#next()!;
    if (!escaped && (character === "]" || character === "-")) {
      throw this.#invalid("range character '-' cannot be followed by a special symbol");
    }
    const [from, to] = [first.codePointAt(0)!, character.codePointAt(0)!];
    if (to < from) {
      throw this.#invalid(
        `range is out of order: '${character}' comes before '${first}' in Unicode`,
      );
    }
    this.#count += to - from;
    if (this.#count > MAX_CHARACTERS) throw new Error("the patterns are too long");
    for (let code = from; code <= to; code++) found.add(String.fromCodePoint(code));
  }

  #flag(): Flag {
    const flag = this.#characters[this.#at];
    if (flag !== "+" && flag !== "*") return "";
    this.#at++;
    return flag;
  }

  #next(): { character: string; escaped: boolean } | undefined {
    const character = this.#characters[this.#at];
    if (character === undefined) return undefined;
    this.#at++;
    if (character !== "\\") return { character, escaped: false };
    const escaped = this.#characters[this.#at++];
    if (escaped !== undefined) return { character: escaped, escaped: true };
    this.#at -= 2;
    throw this.#invalid("input ends with a \\ (escape) character");
  }

  #invalid(what: string): Error {
    return new Error(
      `input:${this.#text}, pos:${this.#at}, ${what}: the input provided is invalid`,
    );
  }
}

const ANY: ReadonlySet<string> = new Set();
