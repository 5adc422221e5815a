import { expect } from "vitest";
import { parseConfig } from "../../../src/config/load.ts";
import { BridgeError } from "../../../src/errors.ts";

/** The problems that a configuration is refused with, one line each. */
export function problemsIn(value: unknown): string[] {
  try {
    parseConfig(value, { baseDir: "/etc/bridge" });
  } catch (error) {
    if (!(error instanceof BridgeError)) throw error;
    expect(error.code).toBe("CONFIG_INVALID");
    return error.message
      .split("\n")
      .slice(1)
      .map((line) => line.trim());
  }
  return [];
}
