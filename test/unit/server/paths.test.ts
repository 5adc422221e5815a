import * as fc from "fast-check";
import type { FastifyRequest } from "fastify";
import { describe, expect, it, test } from "vitest";
import { dataPath, plainPath } from "../../../src/server/data-api/paths.ts";
import { originForm } from "../../../src/server/request-target.ts";
import { PROPERTY_TIMEOUT_MS, runs } from "../../support/arbitraries.ts";

/** What stands before a path, and how many segments that is. */
const ROUTES = [
  ["/v1/data", 2],
  ["/v1/batch/data", 3],
  ["", 0],
] as const;

const plainName = fc.oneof(
  fc.constantFrom("a", "authz", "0", "17", "-1", ".", "..", "__proto__", "constructor", "ü", "😀"),
  fc.constantFrom(":", ";", "&", "=", "@", "+", "*", "a;b=c", "length", "\u0000", "\u2028"),
  fc.constantFrom("n".repeat(16_385), "n" + "/n".repeat(200)),
  fc.string({ unit: "grapheme" }).map((name) => name.replaceAll(/[/?%]/g, "")),
);

const escapedName = fc.oneof(
  fc.constantFrom("%2F", "%2f..%2fa", "%00", "%2e%2e", "%C3%BC", "%F0%9F%98%80", "%5F_proto__"),
  // Not UTF-8, and no escapes at all.
  fc.constantFrom("%", "%2", "%zz", "%ff", "a%C3", "%ED%A0%80"),
  fc.string({ unit: "grapheme" }).map((name) => encodeURIComponent(name)),
);

const separator = fc.constantFrom("/", "/", "/", "//", "///");

const path = (name: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc
    .array(fc.tuple(separator, name), { maxLength: 4 })
    .map((segments) => segments.map(([slashes, text]) => slashes + text).join(""));

const query = fc.constantFrom("", "", "?", "?pretty", "?input=/a/%2F", "?a?b//", "?/", "?%");
const end = fc.constantFrom("", "", "", "/", "//");

function asking(url: string): FastifyRequest {
  return { raw: { url } } as FastifyRequest;
}

describe("a data path that is taken as it stands", () => {
  test(
    "is the same as one whose segments are taken one by one, or is refused",
    () => {
      let taken = 0;
      fc.assert(
        fc.property(
          fc.constantFrom(...ROUTES),
          path(fc.oneof({ weight: 9, arbitrary: plainName }, escapedName)),
          end,
          query,
          ([route, skip], names, slashes, parameters) => {
            const url = `${route}${names}${slashes}${parameters}`;
            const plain = plainPath(asking(url), skip);
            if (plain === undefined) return;
            taken++;
            expect(plain.split("/")).toEqual(dataPath(asking(url), skip));
          },
        ),
        runs(5_000),
      );
      // Or nothing was compared.
      expect(taken).toBeGreaterThan(500);
    },
    PROPERTY_TIMEOUT_MS,
  );

  test.each([
    ["/v1/data/authz/allow", "authz/allow"],
    ["/v1/data/authz/allow?x=%2F//", "authz/allow"],
    ["/v1/data/__proto__/../0", "__proto__/../0"],
  ])("is taken from %s", (url, plain) => {
    expect(plainPath(asking(url), 2)).toBe(plain);
  });

  test.each([
    "/v1/data",
    "/v1/data/",
    "/v1/data?x=/a",
    "/v1/data/?a",
    "/v1/data//a",
    "/v1/data/a//b",
    "/v1/data/a/",
    "/v1/data/a%2Fb",
    "/v1/data/%",
  ])("is not taken from %s", (url) => {
    expect(plainPath(asking(url), 2)).toBeUndefined();
  });
});

describe("a request's target", () => {
  it.each([
    ["/v1/data/a?b=c", "/v1/data/a?b=c"],
    ["//host/a", "//host/a"],
    ["/a#b?c=#", "/a%23b?c=%23"],
    ["http://host/a?b", "/a?b"],
    ["HTTPS://user:word@[::1]:8181/a//b/", "/a//b/"],
    ["http://host", "/"],
    ["http://host?a=/b", "/?a=/b"],
    ["http:///a", "/a"],
    ["/http://host/a", "/http://host/a"],
    ["*", "*"],
  ])("%s is %s", (target, form) => {
    expect(originForm(target)).toBe(form);
  });
});
