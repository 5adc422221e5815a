import { civilTime, WEEKDAYS, type Zone } from "./zones.ts";

export const RFC3339 = "2006-01-02T15:04:05Z07:00";

/** Layouts that policies may name. */
export const LAYOUTS: ReadonlyMap<string, string> = new Map([
  ["ANSIC", "Mon Jan _2 15:04:05 2006"],
  ["UnixDate", "Mon Jan _2 15:04:05 MST 2006"],
  ["RubyDate", "Mon Jan 02 15:04:05 -0700 2006"],
  ["RFC822", "02 Jan 06 15:04 MST"],
  ["RFC822Z", "02 Jan 06 15:04 -0700"],
  ["RFC850", "Monday, 02-Jan-06 15:04:05 MST"],
  ["RFC1123", "Mon, 02 Jan 2006 15:04:05 MST"],
  ["RFC1123Z", "Mon, 02 Jan 2006 15:04:05 -0700"],
  ["RFC3339", RFC3339],
  ["RFC3339Nano", "2006-01-02T15:04:05.999999999Z07:00"],
]);

export const MONTHS: readonly string[] = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];

/** The parts of a layout that stand for something, the longest first; the rest is text. */
const PARTS =
  /January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|2006|Z070000|Z07:00:00|Z0700|Z07:00|Z07|-070000|-07:00:00|-0700|-07:00|-07|__2|002|01|02|03|04|05|06|_2(?!006)|15|PM|pm|[.,]0+(?!\d)|[.,]9+(?!\d)|1|2|3|4|5/y;

/** A part of a layout: text, or the name of what stands there. */
export interface Part {
  readonly name: string;
  readonly isText: boolean;
}

export function partsOf(layout: string): Part[] {
  const parts: Part[] = [];
  let text = "";
  for (let at = 0; at < layout.length;) {
    PARTS.lastIndex = at;
    const name = PARTS.exec(layout)?.[0];
    if (name === undefined) {
      text += layout[at++];
      continue;
    }
    if (text !== "") parts.push({ name: text, isText: true });
    text = "";
    parts.push({ name, isText: false });
    at += name.length;
  }
  if (text !== "") parts.push({ name: text, isText: true });
  return parts;
}

const two = (value: number): string => String(value).padStart(2, "0");

/** `Time.Format` of Go. */
export function formatTime(layout: string, instant: bigint, zone: Zone): string {
  const time = civilTime(instant, zone);
  const { year, month, day, hour, minute, second, nanosecond, weekday, yearDay, offset } = time;
  const half = hour % 12 === 0 ? 12 : hour % 12;
  const write = (name: string): string => {
    switch (name) {
      case "2006":
        return year < 0 ? `-${String(-year).padStart(4, "0")}` : String(year).padStart(4, "0");
      case "06":
        return two(((year % 100) + 100) % 100);
      case "January":
        return MONTHS[month - 1]!;
      case "Jan":
        return MONTHS[month - 1]!.slice(0, 3);
      case "01":
        return two(month);
      case "1":
        return String(month);
      case "Monday":
        return WEEKDAYS[weekday]!;
      case "Mon":
        return WEEKDAYS[weekday]!.slice(0, 3);
      case "_2":
        return String(day).padStart(2);
      case "02":
        return two(day);
      case "2":
        return String(day);
      case "__2":
        return String(yearDay).padStart(3);
      case "002":
        return String(yearDay).padStart(3, "0");
      case "15":
        return two(hour);
      case "03":
        return two(half);
      case "3":
        return String(half);
      case "04":
        return two(minute);
      case "4":
        return String(minute);
      case "05":
        return two(second);
      case "5":
        return String(second);
      case "PM":
        return hour < 12 ? "AM" : "PM";
      case "pm":
        return hour < 12 ? "am" : "pm";
      case "MST":
        return zone.abbreviationAt(instant);
      default:
        return /^[.,]/.test(name) ? fraction(name, nanosecond) : offsetText(name, offset);
    }
  };
  return partsOf(layout)
    .map(({ name, isText }) => (isText ? name : write(name)))
    .join("");
}

function fraction(name: string, nanosecond: number): string {
  const digits = String(nanosecond)
    .padStart(9, "0")
    .slice(0, name.length - 1);
  const padded = digits.padEnd(name.length - 1, "0");
  if (name[1] === "0") return name[0]! + padded;
  const kept = padded.replace(/0+$/, "");
  return kept === "" ? "" : name[0]! + kept;
}

function offsetText(name: string, offset: number): string {
  if (name.startsWith("Z") && offset === 0) return "Z";
  const size = Math.abs(offset);
  const colon = name.includes(":") ? ":" : "";
  const shape = name.slice(1).replaceAll(":", "");
  let text = `${offset < 0 ? "-" : "+"}${two(Math.floor(size / 3_600))}`;
  if (shape.length > 2) text += colon + two(Math.floor(size / 60) % 60);
  if (shape.length > 4) text += colon + two(size % 60);
  return text;
}
