import * as fc from "fast-check";

const { FC_RUNS, FC_SEED, FC_PATH } = process.env;

const SCALE = FC_RUNS === undefined ? 1 : Number(FC_RUNS) / 500;

/**
 * How a property runs: `FC_RUNS` (500 unless told otherwise) scales it, and `FC_SEED` with `FC_PATH` replay the
 * failure that printed them.
 */
export function runs(usual = 500): fc.Parameters<unknown> {
  return {
    numRuns: Math.ceil(usual * SCALE),
    ...(FC_SEED !== undefined && { seed: Number(FC_SEED) }),
    ...(FC_PATH !== undefined && { path: FC_PATH }),
  };
}

/** How long a property may run, in milliseconds, on a machine that has other things to do. */
export const PROPERTY_TIMEOUT_MS: number = 60_000 * Math.max(1, SCALE);

const space = fc.constantFrom("", "", "", " ", "\n\t", " \r\n ");

const piece = fc.oneof(
  fc.constantFrom("a", "0", " ", "{", "}", "[", "]", ",", ":", "/", "é", "😀", "\u2028", "\u007f"),
  fc.constantFrom("\\\\", '\\"', "\\/", "\\b", "\\n", "\\u0061", "\\u0000", "\\uD7ff", "\\ue000"),
  fc.constantFrom("\\ud83d\\ude00", "\\uDBFF\\uDFFF", "\\\\ud800", "\\\\\\\\udc00"),
);

/** What may stand in a string between its quotes. */
export const stringContent: fc.Arbitrary<string> = fc
  .array(piece, { maxLength: 5 })
  .map((pieces) => pieces.join(""));

/** Few names, written in more than one way, so that they meet. */
export const nameText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom('"a"', '"\\u0061"', '"b"', '"__proto__"', '"constructor"', '""', '"0"', '"1"'),
  stringContent.map((content) => `"${content}"`),
);

const scalarText = fc.oneof(
  fc.constantFrom(
    "0",
    "-0",
    "1.0",
    "1e400",
    "-1E-7",
    "9007199254740993",
    "0.10",
    "123456789012345678901",
  ),
  fc.constantFrom("true", "false", "null", '""', '"a"'),
  stringContent.map((content) => `"${content}"`),
);

/** JSON texts with all that RFC 8259 allows: white space, escapes, equal names, numbers of any size. */
export const jsonText: fc.Arbitrary<string> = fc.letrec<{ value: string; object: string }>(
  (tie) => {
    const items = fc.array(fc.tuple(space, tie("value"), space), { maxLength: 3 });
    const array = fc
      .tuple(space, items)
      .map(([inner, all]) => `[${inner}${all.map((parts) => parts.join("")).join(",")}]`);
    const field = fc
      .tuple(space, nameText, space, space, tie("value"), space)
      .map(([a, name, b, c, value, d]) => `${a}${name}${b}:${c}${value}${d}`);
    const object = fc
      .tuple(space, fc.array(field, { maxLength: 4 }))
      .map(([inner, fields]) => `{${inner}${fields.join(",")}}`);
    return {
      object,
      value: fc.oneof(
        { maxDepth: 4, depthIdentifier: "json" },
        scalarText,
        array,
        tie("object"),
        tie("object"),
      ),
    };
  },
).value;

/** As {@link jsonText}, but always an object. */
export const objectJsonText: fc.Arbitrary<string> = fc
  .tuple(space, fc.array(fc.tuple(space, nameText, space, jsonText), { maxLength: 5 }), space)
  .map(
    ([a, fields, b]) =>
      `${a}{${fields.map(([c, name, d, value]) => `${c}${name}${d}:${value}`).join(",")}${a}}${b}`,
  );

/** Keys that are prefixes of each other, look like positions in arrays, or are names of JavaScript's own. */
export const key: fc.Arbitrary<string> = fc.constantFrom(
  "a",
  "a.b",
  "a.b.c",
  "a.b.c.d",
  "a.b.d",
  "a.bc",
  "a.0",
  "a.0.1",
  "0",
  "0.1",
  "b",
  "b.a",
  "__proto__",
  "__proto__.a",
  "a.__proto__",
  "constructor",
  "constructor.prototype.a",
  "toString",
  "nats",
  "system.a",
  "x/y=z.-_.1",
);

const utf8 = new TextEncoder();

/** The bytes of a value: JSON for the most part, objects above all, but also what is not JSON or not text. */
export const valueBytes: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 5, arbitrary: objectJsonText.map((text) => utf8.encode(text)) },
  { weight: 3, arbitrary: jsonText.map((text) => utf8.encode(text)) },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom(
        "",
        " ",
        "null",
        "plain",
        "{",
        "01",
        '"\\ud800"',
        '{"a":{"b":"\\udc00"}}',
        "\ufeff1",
      )
      .map((text) => utf8.encode(text)),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('[["x"],[1,2]]', '{"b":[[1,[2]],3]}', '{"0":[{"1":[4]}]}')
      .map((text) => utf8.encode(text)),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 6 }) },
);
