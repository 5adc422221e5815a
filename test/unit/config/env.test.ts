import { describe, expect, test } from "vitest";
import { substituteEnv } from "../../../src/config/env.ts";

describe("substituteEnv", () => {
  test("replaces every ${NAME} of the raw text", () => {
    const { text, warnings } = substituteEnv("a: ${A}\nb: x${B}y${A}", { A: "1", B: "${A}" });
    expect(text).toBe("a: 1\nb: x${A}y1");
    expect(warnings).toEqual([]);
  });

  test("leaves what is not ${NAME}", () => {
    const text = "a: $A ${\nA} $(A) {A} $";
    expect(substituteEnv(text, { A: "1" })).toEqual({ text, warnings: [] });
  });

  test("a variable that is set to nothing is no reason to warn", () => {
    expect(substituteEnv("a: ${A}", { A: "" })).toEqual({ text: "a: ", warnings: [] });
  });

  test("an unset variable becomes nothing, with one warning", () => {
    const { text, warnings } = substituteEnv("a: '${NOT_SET}${NOT_SET}'", {});
    expect(text).toBe("a: ''");
    expect(warnings).toEqual([
      "The environment variable NOT_SET is not set; ${NOT_SET} was replaced by nothing.",
    ]);
  });

  test("a comment can't miss a variable", () => {
    expect(substituteEnv("  # ${NOT_SET}\na: 1", {}).warnings).toEqual([]);
  });

  test("names of Object.prototype are not variables", () => {
    expect(substituteEnv("${constructor}${__proto__}", {}).text).toBe("");
  });

  test("a default in a reference is not supported, and not shown", () => {
    const { text, warnings } = substituteEnv("token: ${TOKEN:-s3cret}", { TOKEN: "x" });
    expect(text).toBe("token: ");
    expect(warnings.join()).toContain("${TOKEN…} is not a plain ${NAME}");
    expect(warnings.join()).not.toContain("s3cret");
  });
});
