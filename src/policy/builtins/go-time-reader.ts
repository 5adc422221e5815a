import { MONTHS, type Part, partsOf } from "./go-layout.ts";
import { goQuote } from "./go-quote.ts";
import { daysIn, instantOf, UTC, WEEKDAYS, zoneOf } from "./zones.ts";

/** `time.Parse` of Go: nanoseconds since 1970. */
export function parseTime(layout: string, text: string): bigint {
  return new TimeReader(layout, text).read();
}

class TimeReader {
  readonly #layout: string;
  readonly #text: string;
  #rest: string;
  #year = 0;
  #month: number | undefined;
  #day: number | undefined;
  #yearDay: number | undefined;
  #hour = 0;
  #minute = 0;
  #second = 0;
  #nanosecond = 0;
  #half: "am" | "pm" | undefined;
  #offset: number | undefined;
  #abbreviation: string | undefined;

  constructor(layout: string, text: string) {
    this.#layout = layout;
    this.#text = text;
    this.#rest = text;
  }

  read(): bigint {
    const parts = partsOf(this.#layout);
    for (const [index, { name, isText }] of parts.entries()) {
      if (isText) this.#literal(name);
      else this.#part(name, parts[index + 1]);
    }
    if (this.#rest !== "") throw this.#wrong(`: extra text: ${goQuote(this.#rest)}`);
    return this.#instant();
  }

  #instant(): bigint {
    if (this.#half === "pm" && this.#hour < 12) this.#hour += 12;
    else if (this.#half === "am" && this.#hour === 12) this.#hour = 0;
    let [month, day] = [this.#month ?? 1, this.#day ?? 1];
    if (this.#yearDay !== undefined) {
      if (this.#yearDay < 1 || this.#yearDay > 337 + daysIn(this.#year, 2)) {
        throw this.#wrong(": day-of-year out of range");
      }
      [month, day] = [1, this.#yearDay];
    } else if (day < 1 || day > daysIn(this.#year, month)) throw this.#wrong(": day out of range");
    const time = {
      year: this.#year,
      month,
      day,
      hour: this.#hour,
      minute: this.#minute,
      second: this.#second,
      nanosecond: this.#nanosecond,
    };
    const instant = instantOf(time, UTC);
    if (this.#offset !== undefined) return instant - BigInt(this.#offset) * 1_000_000_000n;
    const name = this.#abbreviation;
    if (name === undefined || name === "UTC") return instant;
    // An abbreviation counts where the local zone uses it; else it is taken for one without an offset.
    const local = zoneOf("Local");
    const there = instantOf(time, local);
    if (local.abbreviationAt(there) === name) return there;
    const hours = /^GMT([+-]\d+)$/.exec(name)?.[1];
    return hours === undefined ? instant : instant - BigInt(hours) * 3_600n * 1_000_000_000n;
  }

  #literal(text: string): void {
    // Blanks in the layout may be more or fewer in the text.
    for (const character of text) {
      if (character === " ") {
        if (this.#rest !== "" && !this.#rest.startsWith(" ")) throw this.#mismatch(text);
        this.#rest = this.#rest.replace(/^ +/, "");
      } else this.#take(character, text);
    }
  }

  #take(text: string, part: string): void {
    if (!this.#rest.startsWith(text)) throw this.#mismatch(part);
    this.#rest = this.#rest.slice(text.length);
  }

  #part(name: string, next: Part | undefined): void {
    switch (name) {
      case "2006":
        this.#year = this.#digits(name, /^\d{4}/);
        return;
      case "06": {
        const year = this.#digits(name, /^\d{2}/);
        this.#year = year >= 69 ? year + 1_900 : year + 2_000;
        return;
      }
      case "January":
        this.#month = this.#word(name, MONTHS) + 1;
        return;
      case "Jan":
        this.#month =
          this.#word(
            name,
            MONTHS.map((month) => month.slice(0, 3)),
          ) + 1;
        return;
      case "01":
      case "1":
        this.#month = this.#within(name, 1, 12, name.length === 2, "month");
        return;
      case "Monday":
        this.#word(name, WEEKDAYS);
        return;
      case "Mon":
        this.#word(
          name,
          WEEKDAYS.map((day) => day.slice(0, 3)),
        );
        return;
      case "_2":
      case "__2":
      case "02":
      case "2":
      case "002":
        return this.#readDay(name);
      case "15":
        this.#hour = this.#within(name, 0, 23, false, "hour");
        return;
      case "03":
      case "3":
        this.#hour = this.#within(name, 0, 12, name.length === 2, "hour");
        return;
      case "04":
      case "4":
        this.#minute = this.#within(name, 0, 59, name.length === 2, "minute");
        return;
      case "05":
      case "5":
        this.#second = this.#within(name, 0, 59, name.length === 2, "second");
        // A fraction may follow that the layout says nothing about.
        if (next === undefined || next.isText || !/^[.,]/.test(next.name)) {
          if (/^[.,]\d/.test(this.#rest)) this.#readFraction(name, /^[.,]\d+/);
        }
        return;
      case "PM":
      case "pm":
        this.#half = this.#matched(
          name,
          name === "PM" ? /^(?:AM|PM)/ : /^(?:am|pm)/,
        ).toLowerCase() as "am" | "pm";
        return;
      case "MST":
        this.#abbreviation = this.#matched(
          name,
          /^(?:UTC|ChST|MeST|GMT[+-]\d{1,2}|[A-Z]{3,5}|[+-]\d{2})/,
        );
        return;
      default:
        if (!/^[.,]/.test(name)) return this.#readOffset(name);
        if (name[1] === "0")
          return this.#readFraction(name, new RegExp(`^[.,]\\d{${name.length - 1}}`));
        if (/^[.,]\d/.test(this.#rest)) this.#readFraction(name, /^[.,]\d+/);
    }
  }

  #readDay(name: string): void {
    if (name.startsWith("_")) this.#rest = this.#rest.replace(name === "_2" ? /^ / : /^ {1,2}/, "");
    if (name.length === 3) {
      this.#yearDay = this.#digits(name, name === "002" ? /^\d{3}/ : /^\d{1,3}/);
      return;
    }
    this.#day = this.#digits(name, name === "02" ? /^\d{2}/ : /^\d{1,2}/);
  }

  #readFraction(name: string, pattern: RegExp): void {
    const digits = this.#matched(name, pattern).slice(1, 10);
    this.#nanosecond = Number(digits.padEnd(9, "0"));
  }

  #readOffset(name: string): void {
    if (name.startsWith("Z") && this.#rest.startsWith("Z")) {
      this.#rest = this.#rest.slice(1);
      this.#offset = 0;
      return;
    }
    const colon = name.includes(":") ? ":" : "";
    const pairs = name.slice(1).replaceAll(":", "").length / 2;
    const pattern = new RegExp(`^[+-]${Array<string>(pairs).fill("\\d\\d").join(colon)}`);
    const text = this.#matched(name, pattern);
    const [hours = 0, minutes = 0, seconds = 0] = text.match(/\d\d/g)!.map(Number);
    if (hours > 24) throw this.#wrong(": time zone offset hour out of range");
    if (minutes > 60) throw this.#wrong(": time zone offset minute out of range");
    const size = hours * 3_600 + minutes * 60 + seconds;
    this.#offset = text.startsWith("-") ? -size : size;
  }

  #word(name: string, words: readonly string[]): number {
    const rest = this.#rest.toLowerCase();
    const index = words.findIndex((word) => rest.startsWith(word.toLowerCase()));
    if (index < 0) throw this.#mismatch(name);
    this.#rest = this.#rest.slice(words[index]!.length);
    return index;
  }

  #within(name: string, least: number, most: number, padded: boolean, what: string): number {
    const value = this.#digits(name, padded ? /^\d{2}/ : /^\d{1,2}/);
    if (value < least || value > most) throw this.#wrong(`: ${what} out of range`);
    return value;
  }

  #digits(name: string, pattern: RegExp): number {
    return Number(this.#matched(name, pattern));
  }

  #matched(name: string, pattern: RegExp): string {
    const text = pattern.exec(this.#rest)?.[0];
    if (text === undefined) throw this.#mismatch(name);
    this.#rest = this.#rest.slice(text.length);
    return text;
  }

  #mismatch(part: string): Error {
    return this.#wrong(
      ` as ${goQuote(this.#layout)}: cannot parse ${goQuote(this.#rest)} as ${goQuote(part)}`,
    );
  }

  #wrong(why: string): Error {
    return new Error(`parsing time ${goQuote(this.#text)}${why}`);
  }
}
