import { rootCertificates } from "node:tls";
import { describe, expect, it } from "vitest";
import { authorities } from "../../../src/common/service-tls.ts";

describe("the authorities of a service", () => {
  it("are the one that is given, and Node's own only where they are asked for", () => {
    expect(authorities("mine", false)).toEqual(["mine"]);
    const all = authorities("mine", true);
    expect(all.at(-1)).toBe("mine");
    expect(rootCertificates.length).toBeGreaterThan(50);
    expect(all).toEqual(expect.arrayContaining([...rootCertificates]));
  });
});
