import { randomUUID } from "node:crypto";
import { type BuiltinFamily, family } from "./registry.ts";
import { RegoNumber, RegoObject, type Value } from "./value.ts";
import { valueText } from "./value-text.ts";

/** A UUID in one of the forms that Go's reader takes: plain, `urn:uuid:`, in braces, or bare digits. */
const FORMS = [
  /^(?:urn:uuid:)?([\da-f]{8})-([\da-f]{4})-([\da-f]{4})-([\da-f]{4})-([\da-f]{12})$/i,
  /^.([\da-f]{8})-([\da-f]{4})-([\da-f]{4})-([\da-f]{4})-([\da-f]{12}).$/is,
  /^([\da-f]{8})([\da-f]{4})([\da-f]{4})([\da-f]{4})([\da-f]{12})$/i,
];
const DOMAINS = ["Person", "Group", "Org"];
/** Between the start of the Gregorian calendar and that of Unix time, in units of 100 ns. */
const GREGORIAN_OFFSET = 122_192_928_000_000_000n;

/** `uuid.*`. */
export const uuidBuiltins: BuiltinFamily = family({
  "uuid.rfc4122": (operands, query) =>
    query.once(`uuid.rfc4122 ${valueText(operands.any(1))}`, () => randomUUID()),
  "uuid.parse": (operands) => {
    const text = operands.string(1);
    for (const form of FORMS) {
      const match = form.exec(text);
      if (match !== null) return describe(Buffer.from(match.slice(1).join(""), "hex"));
    }
    return undefined;
  },
});

function describe(bytes: Buffer): Value {
  const version = bytes[6]! >> 4;
  const fields: [string, Value][] = [
    ["version", new RegoNumber(version)],
    ["variant", variantOf(bytes[8]!)],
  ];
  if (version === 1 || version === 2) {
    const node = bytes.subarray(10);
    fields.push(
      ["time", new RegoNumber(nanoseconds(bytes))],
      ["nodeid", node.toString("hex").replaceAll(/..(?!$)/g, "$&-")],
      ["macvariables", macVariables(node[0]!)],
      ["clocksequence", new RegoNumber(bytes.readUInt16BE(8) & 0x3fff)],
    );
  }
  if (version === 2) {
    const domain = bytes[9]!;
    fields.push(
      ["id", new RegoNumber(bytes.readUInt32BE(0))],
      ["domain", DOMAINS[domain] ?? `Domain${domain}`],
    );
  }
  return new RegoObject(fields);
}

function nanoseconds(bytes: Buffer): bigint {
  const high = BigInt(bytes.readUInt16BE(6) & 0x0fff) << 48n;
  const ticks = high | (BigInt(bytes.readUInt16BE(4)) << 32n) | BigInt(bytes.readUInt32BE(0));
  return (ticks - GREGORIAN_OFFSET) * 100n;
}

function variantOf(byte: number): string {
  if ((byte & 0xc0) === 0x80) return "RFC4122";
  if ((byte & 0xe0) === 0xc0) return "Microsoft";
  return (byte & 0xe0) === 0xe0 ? "Future" : "Reserved";
}

function macVariables(byte: number): string {
  return `${(byte & 2) === 0 ? "global" : "local"}:${(byte & 1) === 0 ? "unicast" : "multicast"}`;
}
