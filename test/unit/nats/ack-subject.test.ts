import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isAckSubject, parseAckSubject } from "../../../src/nats/ack-subject.ts";

const { FC_RUNS, FC_SEED, FC_PATH } = process.env;
const runs: fc.Parameters<unknown> = {
  numRuns: Number(FC_RUNS ?? 500),
  ...(FC_SEED !== undefined && { seed: Number(FC_SEED) }),
  ...(FC_PATH !== undefined && { path: FC_PATH }),
};

const delivery = { sequence: 12, delivered: 7, pending: 3, timestampMs: 1_700_000_000_123 };

describe("the reply subject of a delivered message", () => {
  test.each([
    ["$JS.ACK.KV_B.c0ns.1.12.7.1700000000123456789.3"],
    ["$JS.ACK._.aCChash.KV_B.c0ns.1.12.7.1700000000123456789.3.r4ndom"],
    ["$JS.ACK.hub.aCChash.KV_B.c0ns.1.12.7.1700000000123456789.3"],
  ])("W5 is read: %s", (subject) => {
    expect(isAckSubject(subject)).toBe(true);
    expect(parseAckSubject(subject)).toEqual(delivery);
  });

  test.each([
    "",
    "$JS.ACK.",
    "$JS.FC.KV_B.cons.x",
    "_INBOX.a.b.c.d.e.f.g.h",
    "$JS.ACK.KV_B.cons.1.12.7.1700000000123456789",
    "$JS.ACK.KV_B.cons.1.12.7.1700000000123456789.",
    "$JS.ACK.KV_B.cons.1.x.7.1700000000123456789.3",
    "$JS.ACK.KV_B.cons.1.-1.7.1700000000123456789.3",
    "$JS.ACK.KV_B.cons.1.12..1700000000123456789.3",
    "$JS.ACK.KV_B.cons.1.12.7.123.3",
    "$JS.ACK.KV_B.cons.1.12.7.1700000000123456789.3e2",
    "$JS.ACK.........",
  ])("W5 is not taken for one: %j", (subject) => {
    expect(parseAckSubject(subject)).toBeUndefined();
  });

  test("W5 keeps every number that a stream can have, in both forms", () => {
    const token = fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/);
    const count = fc.nat({ max: Number.MAX_SAFE_INTEGER });
    const time = fc.record({
      ms: fc.integer({ min: 1, max: 4_000_000_000_000 }),
      rest: fc.integer({ min: 0, max: 999_999 }),
    });
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.array(token, { minLength: 5, maxLength: 5 }),
        count,
        count,
        time,
        count,
        (long, [stream, consumer, domain, hash, random], sequence, delivered, at, pending) => {
          const ns = `${at.ms}${String(at.rest).padStart(6, "0")}`;
          const rest = `${stream}.${consumer}.1.${sequence}.${delivered}.${ns}.${pending}`;
          const subject = long ? `$JS.ACK.${domain}.${hash}.${rest}.${random}` : `$JS.ACK.${rest}`;
          expect(parseAckSubject(subject)).toEqual({
            sequence,
            delivered,
            pending,
            timestampMs: at.ms,
          });
        },
      ),
      runs,
    );
  });

  test("W5 never throws, whatever it is", () => {
    const garbage = fc.oneof(
      fc.string(),
      fc
        .array(fc.oneof(fc.string(), fc.nat().map(String)), { maxLength: 14 })
        .map((tokens) => `$JS.ACK.${tokens.join(".")}`),
    );
    fc.assert(
      fc.property(garbage, (subject) => {
        const read = parseAckSubject(subject);
        for (const value of Object.values(read ?? {})) expect(value).toBeGreaterThanOrEqual(0);
      }),
      runs,
    );
  });
});
