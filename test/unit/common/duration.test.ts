import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatDuration, parseDuration } from "../../../src/common/duration.ts";

describe("parseDuration", () => {
  test.each([
    ["0", 0],
    ["0s", 0],
    ["+0", 0],
    ["-0", 0],
    ["10m", 600_000],
    ["1h30m", 5_400_000],
    ["1.5s", 1_500],
    [".5s", 500],
    ["1.s", 1_000],
    ["250ms", 250],
    ["1m250ms", 60_250],
    ["500us", 0.5],
    ["500\u00b5s", 0.5],
    ["500\u03bcs", 0.5],
    ["1ns", 0.000_001],
    ["-2s", -2_000],
    ["+2s", 2_000],
    ["0.1s", 100],
    ["1.1s", 1_100],
    ["2562047h", 9_223_369_200_000],
  ])("N30 %s is %d ms", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each([
    "",
    "10",
    "m",
    ".",
    ".s",
    "10 m",
    " 10m",
    "10m ",
    "10d",
    "1h30",
    "--1s",
    "1e3s",
    "1,5s",
  ])("N30 %j is refused", (text) => {
    expect(() => parseDuration(text)).toThrow(SyntaxError);
  });

  test("more than Go's 64 bits of nanoseconds is refused", () => {
    expect(() => parseDuration("2562048h")).toThrow(RangeError);
    expect(() => parseDuration(`${"9".repeat(400)}h`)).toThrow(RangeError);
  });
});

describe("formatDuration", () => {
  test.each([
    [0, "0s"],
    [0.5, "500us"],
    [250, "250ms"],
    [1_500, "1.5s"],
    [10_000, "10s"],
    [90_000, "1m30s"],
    [600_000, "10m"],
    [3_600_000, "1h"],
    [5_400_250, "1h30m0.25s"],
    [-2_000, "-2s"],
  ])("%d ms is %s", (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  test("is read back as the same duration", () => {
    fc.assert(
      fc.property(fc.integer({ min: -(10 ** 12), max: 10 ** 12 }), (ms) => {
        expect(parseDuration(formatDuration(ms))).toBe(ms);
      }),
    );
  });

  test("refuses what is not a finite number", () => {
    expect(() => formatDuration(Number.NaN)).toThrow(RangeError);
    expect(() => formatDuration(Number.POSITIVE_INFINITY)).toThrow(RangeError);
  });
});
