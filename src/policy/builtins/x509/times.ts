import { TAG } from "./der.ts";

/** A point in time, and how far from UTC it was written. */
export interface GoTime {
  /** Nanoseconds since 1970. */
  readonly instant: bigint;
  /** As JSON of Go has it (RFC 3339). */
  readonly text: string;
}

const SHORT = /^(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})?(Z|[+-]\d{4})$/;
const LONG = /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\.\d{1,9})?(Z|[+-]\d{4})$/;

/** A UTCTime or GeneralizedTime; undefined for what is none. Certificates have no parts of seconds. */
export function timeOf(tag: number, content: Buffer, withFractions = false): GoTime | undefined {
  const text = content.toString("latin1");
  if (tag === TAG.utcTime) {
    const match = SHORT.exec(text);
    if (match === null) return undefined;
    const [, year = "", month = "", day = "", hour = "", minute = "", second = "00", zone = ""] =
      match;
    // Two digits reach from 1950 to 2049.
    const century = Number(year) >= 50 ? "19" : "20";
    return goTime(`${century}${year}`, month, day, hour, minute, second, "", zone);
  }
  const match = LONG.exec(text);
  if (match === null) return undefined;
  const [, year = "", month = "", day = "", hour = "", minute = "", second = ""] = match;
  const [fraction = "", zone = ""] = [match[7], match[8]];
  if (fraction !== "" && (!withFractions || fraction.endsWith("0"))) return undefined;
  return goTime(year, month, day, hour, minute, second, fraction, zone);
}

function goTime(
  year: string,
  month: string,
  day: string,
  hour: string,
  minute: string,
  second: string,
  fraction: string,
  zone: string,
): GoTime | undefined {
  const date = `${year}-${month}-${day}T${hour}:${minute}:${second}`;
  const time = new Date(`${date}Z`);
  // A day that the month does not have would become one of the next, and hour 24 is none.
  if (Number.isNaN(time.getTime()) || time.toISOString().slice(0, 19) !== date) return undefined;
  let offset = 0;
  if (zone !== "Z") {
    const [hours, minutes] = [Number(zone.slice(1, 3)), Number(zone.slice(3))];
    offset = hours * 60 + minutes;
    // There is one way to write UTC.
    if (offset === 0 || hours > 23 || minutes > 59) return undefined;
    if (zone.startsWith("-")) offset = -offset;
  }
  const nanoseconds = BigInt(fraction.slice(1).padEnd(9, "0"));
  return {
    instant: BigInt(time.getTime() - offset * 60_000) * 1_000_000n + nanoseconds,
    text: `${date}${fraction}${zone === "Z" ? "Z" : `${zone.slice(0, 3)}:${zone.slice(3)}`}`,
  };
}
