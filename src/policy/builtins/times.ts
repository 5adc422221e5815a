import { formatTime, LAYOUTS, RFC3339 } from "./go-layout.ts";
import { parseTime } from "./go-time-reader.ts";
import { parseDuration } from "./go-duration.ts";
import { type Operands, OperandError, wrongKind } from "./operands.ts";
import { type BuiltinFamily, family, type ValueBuiltin } from "./registry.ts";
import { RegoNumber, type Value } from "./value.ts";
import {
  civilTime,
  type CivilTime,
  daysIn,
  instantOf,
  WEEKDAYS,
  type Zone,
  zoneOf,
} from "./zones.ts";

const MAX_NANOSECONDS = 2n ** 63n - 1n;
const MIN_NANOSECONDS = -(2n ** 63n);

/** `time.*`; there is one clock for a whole query. */
export const timeBuiltins: BuiltinFamily = family({
  "time.now_ns": (_, query) => new RegoNumber(query.now),
  "time.parse_ns": (operands) => {
    const [layout, text] = [operands.string(1), operands.string(2)];
    return nanoseconds(parseTime(LAYOUTS.get(layout) ?? layout, text));
  },
  "time.parse_rfc3339_ns": (operands) => nanoseconds(parseTime(RFC3339, operands.string(1))),
  "time.parse_duration_ns": (operands) => new RegoNumber(parseDuration(operands.string(1))),
  "time.format": (operands) => {
    const { instant, zone, layout } = timeOf(operands, 1);
    const name = layout === "" ? "RFC3339Nano" : layout;
    return formatTime(LAYOUTS.get(name) ?? name, instant, zone);
  },
  "time.date": civil(({ year, month, day }) => [year, month, day]),
  "time.clock": civil(({ hour, minute, second }) => [hour, minute, second]),
  "time.weekday": (operands) => {
    const { instant, zone } = timeOf(operands, 1);
    return WEEKDAYS[civilTime(instant, zone).weekday]!;
  },
  "time.add_date": addDate,
  "time.diff": difference,
});

function nanoseconds(instant: bigint): RegoNumber {
  if (instant < MIN_NANOSECONDS || instant > MAX_NANOSECONDS) {
    throw new Error("time outside of valid range");
  }
  return new RegoNumber(instant);
}

function civil(fields: (time: CivilTime) => number[]): ValueBuiltin {
  return (operands) => {
    const { instant, zone } = timeOf(operands, 1);
    return fields(civilTime(instant, zone)).map((field) => new RegoNumber(field));
  };
}

/** Nanoseconds, or `[nanoseconds, zone, layout]`. */
function timeOf(
  operands: Operands,
  position: number,
): { instant: bigint; zone: Zone; layout: string } {
  const value = operands.any(position);
  const [number, zone = "", layout = ""] = Array.isArray(value) ? (value as Value[]) : [value];
  if (number === undefined || !(number instanceof RegoNumber || Array.isArray(value))) {
    throw wrongKind(1, value, "either number (ns) or [number (ns), string (tz)]");
  }
  if (!(number instanceof RegoNumber)) throw wrongKind(1, number, "number");
  if (typeof zone !== "string") throw wrongKind(1, zone, "string");
  if (typeof layout !== "string") throw wrongKind(1, layout, "string");
  const instant = number.integer;
  if (instant === undefined || instant < MIN_NANOSECONDS || instant > MAX_NANOSECONDS) {
    throw new Error("timestamp too big");
  }
  return { instant, zone: zoneOf(zone), layout };
}

function addDate(operands: Operands): Value {
  const { instant, zone } = timeOf(operands, 1);
  const [years, months, days] = [operands.int(2), operands.int(3), operands.int(4)];
  const time = civilTime(instant, zone);
  if ([years, months, days].some((count) => Math.abs(count) > 1e7)) {
    throw new OperandError("time outside of valid range");
  }
  return nanoseconds(
    instantOf(
      { ...time, year: time.year + years, month: time.month + months, day: time.day + days },
      zone,
    ),
  );
}

/** Years, months, days, hours, minutes and seconds between two times, as a calendar tells them. */
function difference(operands: Operands): Value {
  const [a, b] = [timeOf(operands, 1), timeOf(operands, 2)];
  const [from, to] = a.instant > b.instant ? [b.instant, a.instant] : [a.instant, b.instant];
  const [x, y] = [civilTime(from, a.zone), civilTime(to, a.zone)];
  let [year, month, day] = [y.year - x.year, y.month - x.month, y.day - x.day];
  let [hour, minute, second] = [y.hour - x.hour, y.minute - x.minute, y.second - x.second];
  if (second < 0) [second, minute] = [second + 60, minute - 1];
  if (minute < 0) [minute, hour] = [minute + 60, hour - 1];
  if (hour < 0) [hour, day] = [hour + 24, day - 1];
  if (day < 0) [day, month] = [day + daysIn(x.year, x.month), month - 1];
  if (month < 0) [month, year] = [month + 12, year - 1];
  return [year, month, day, hour, minute, second].map((part) => new RegoNumber(part));
}
