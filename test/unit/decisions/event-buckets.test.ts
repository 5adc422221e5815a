import { describe, expect, it } from "vitest";
import { type DecisionEvent, eventText, unmasked } from "../../../src/decisions/event.ts";

const EVENT: DecisionEvent = {
  decisionId: "1",
  path: ["authz", "allow"],
  input: '{"group":"team-a"}',
  timestampMs: 0,
  buckets: new Map([
    ["team-a", 12],
    ["__proto__", 3],
  ]),
};

function custom(
  event: DecisionEvent,
  masks: { erased?: string[]; masked?: string[] } = {},
): unknown {
  const text = eventText(event, "{}", { ...unmasked(event), ...masks });
  return /"custom":(\{.*\})\}$/.exec(text)?.[1];
}

describe("L1 C6 an event's buckets", () => {
  it("are told with their revisions, whatever their names are", () => {
    expect(custom(EVENT)).toBe('{"buckets":{"team-a":12,"__proto__":3}}');
  });

  it("are not shown where a mask has changed something: their names may have come from the input", () => {
    expect(custom(EVENT, { erased: ["/input/group"] })).toBeUndefined();
    expect(custom(EVENT, { masked: ["/input/group"] })).toBeUndefined();
  });

  it("are left out where there are none, or very many", () => {
    const many = new Map(Array.from({ length: 101 }, (_, index) => [`b${index}`, 1] as const));
    expect(custom({ ...EVENT, buckets: new Map() })).toBeUndefined();
    expect(custom({ ...EVENT, buckets: many })).toBeUndefined();
  });
});
