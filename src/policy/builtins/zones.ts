import { LRUCache } from "lru-cache";

export const WEEKDAYS: readonly string[] = [
  "Sunday",
  "Monday",
  "Tuesday",
  "Wednesday",
  "Thursday",
  "Friday",
  "Saturday",
];

/** A time as calendars and clocks show it. Months and days count from 1, and may overflow where one is given. */
export interface CivilTime {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly nanosecond: number;
}

/** Where clocks show which time. Instants are nanoseconds since 1970 in UTC. */
export interface Zone {
  /** Seconds to the east of Greenwich. */
  offsetAt(instant: bigint): number;
  /** As `CET`; as `+05` where the zone's time has no such name. */
  abbreviationAt(instant: bigint): string;
}

const SECOND = 1_000_000_000n;
const DAY_SECONDS = 86_400n;

export const UTC: Zone = { offsetAt: () => 0, abbreviationAt: () => "UTC" };

/** A zone by its IANA name, `UTC` (or the empty name) or `Local`; throws for what is none. */
export function zoneOf(name: string): Zone {
  if (name === "" || name === "UTC") return UTC;
  const known = name === "Local" ? Intl.DateTimeFormat().resolvedOptions().timeZone : name;
  let zone = zones.get(known);
  if (zone === undefined) zones.set(known, (zone = new NamedZone(known)));
  return zone;
}

/** Locales that know different abbreviations. */
const LOCALES = ["en-US", "en-GB", "en-CA", "en-AU", "en-IN", "en-ZA", "en-NZ"];

class NamedZone implements Zone {
  readonly #offsets: Intl.DateTimeFormat;
  readonly #names: readonly Intl.DateTimeFormat[];

  constructor(timeZone: string) {
    try {
      this.#offsets = new Intl.DateTimeFormat("en-US", { timeZone, timeZoneName: "longOffset" });
    } catch (error) {
      throw new Error(`unknown time zone ${timeZone}`, { cause: error });
    }
    this.#names = LOCALES.map(
      (locale) => new Intl.DateTimeFormat(locale, { timeZone, timeZoneName: "short" }),
    );
  }

  offsetAt(instant: bigint): number {
    const text = zoneName(this.#offsets, instant);
    const [, sign, hours = "0", minutes = "0", seconds = "0"] =
      /^GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(text) ?? [];
    const size = Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds);
    return sign === "-" ? -size : size;
  }

  abbreviationAt(instant: bigint): string {
    for (const names of this.#names) {
      const name = zoneName(names, instant);
      if (/^[A-Z]{3,5}$/.test(name)) return name;
    }
    const offset = this.offsetAt(instant);
    const size = Math.abs(offset);
    const pair = (count: number): string => String(count).padStart(2, "0");
    const minutes = Math.floor(size / 60) % 60;
    return `${offset < 0 ? "-" : "+"}${pair(Math.floor(size / 3_600))}${minutes === 0 ? "" : pair(minutes)}`;
  }
}

const zones = new LRUCache<string, Zone>({ max: 100 });

function zoneName(format: Intl.DateTimeFormat, instant: bigint): string {
  const parts = format.formatToParts(Number(instant / 1_000_000n));
  return parts.find(({ type }) => type === "timeZoneName")?.value ?? "";
}

/** What a zone's calendars and clocks show at an instant. */
export function civilTime(
  instant: bigint,
  zone: Zone,
): CivilTime & { weekday: number; yearDay: number; offset: number } {
  const offset = zone.offsetAt(instant);
  const local = instant + BigInt(offset) * SECOND;
  const seconds = floorDivide(local, SECOND);
  const nanosecond = Number(local - seconds * SECOND);
  const days = floorDivide(seconds, DAY_SECONDS);
  const clock = Number(seconds - days * DAY_SECONDS);
  const date = new Date(Number(days) * 86_400_000);
  const year = date.getUTCFullYear();
  return {
    year,
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: Math.floor(clock / 3_600),
    minute: Math.floor(clock / 60) % 60,
    second: clock % 60,
    nanosecond,
    weekday: date.getUTCDay(),
    yearDay: Number(days - dayNumber(year, 1, 1)) + 1,
    offset,
  };
}

/** The instant at which a zone shows this; where it shows it twice or never, the one that Go takes. */
export function instantOf(time: CivilTime, zone: Zone): bigint {
  const { hour, minute, second, nanosecond } = time;
  const days = dayNumber(time.year, time.month, time.day);
  const clock = BigInt(hour * 3_600 + minute * 60 + second);
  const local = (days * DAY_SECONDS + clock) * SECOND + BigInt(nanosecond);
  const at = (offset: number): bigint => local - BigInt(offset) * SECOND;
  const guess = zone.offsetAt(local);
  if (zone.offsetAt(at(guess)) === guess) return at(guess);
  return at(zone.offsetAt(at(guess)));
}

export function daysIn(year: number, month: number): number {
  return Number(dayNumber(year, month + 1, 1) - dayNumber(year, month, 1));
}

/** Days since 1970; months and days may overflow. */
function dayNumber(year: number, month: number, day: number): bigint {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return BigInt(Math.round(date.getTime() / 86_400_000));
}

function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return quotient * b > a ? quotient - 1n : quotient;
}
