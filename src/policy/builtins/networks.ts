import {
  type Address,
  addressText,
  contains,
  lastOf,
  type Network,
  networkText,
  parseAddress,
  parseCidr,
  wide,
} from "./addresses.ts";
import { elementsOf, type Operands, wrongKind } from "./operands.ts";
import { type BuiltinFamily, family } from "./registry.ts";
import { RegoNumber, RegoObject, RegoSet, type Value } from "./value.ts";

/** What a policy may have made for it in one call: a network of 2^20 addresses. */
const MAX_ADDRESSES = 1n << 20n;

/** The `net.cidr_*` that a policy module does not bring itself. */
export const networkBuiltins: BuiltinFamily = family({
  "net.cidr_is_valid": (operands) => {
    const text = operands.any(1);
    if (typeof text !== "string") return false;
    try {
      parseCidr(text);
      return true;
    } catch {
      return false;
    }
  },
  "net.cidr_expand": expand,
  "net.cidr_merge": merge,
  "net.cidr_contains_matches": containsMatches,
});

function expand(operands: Operands): Value {
  const { network } = parseCidr(operands.string(1));
  const last = lastOf(network);
  if (last - network.value >= MAX_ADDRESSES) {
    throw new Error(`more than ${MAX_ADDRESSES} addresses`);
  }
  const addresses: string[] = [];
  for (let value = network.value; value <= last; value++) {
    addresses.push(addressText({ bits: network.bits, value }));
  }
  return new RegoSet(addresses);
}

interface Range {
  first: bigint;
  last: bigint;
  /** Undefined for one that was merged out of several. */
  network: Network | undefined;
}

function merge(operands: Operands): Value {
  const ranges = elementsOf(1, operands.any(1))
    .map(networkOf)
    .map((network): Range => {
      const last: Address = { bits: network.bits, value: lastOf(network) };
      return { first: wide(network), last: wide(last), network };
    })
    .toSorted((a, b) => order(a.last, b.last) || order(a.first, b.first));
  for (let index = ranges.length - 1; index > 0; index--) {
    const [before, range] = [ranges[index - 1]!, ranges[index]!];
    if (previous(range.first) > before.last) continue;
    const first = before.first < range.first ? before.first : range.first;
    ranges.splice(index - 1, 2, { first, last: range.last, network: undefined });
  }
  return new RegoSet(
    ranges.flatMap(({ first, last, network }) =>
      network === undefined ? networksOf(first, last) : [networkText(network)],
    ),
  );
}

const FIRST_V4 = 0xffffn << 32n;
const LAST_V4 = FIRST_V4 | 0xffff_ffffn;

/** The first address of a family has none before it. */
function previous(address: bigint): bigint {
  return address === 0n || address === FIRST_V4 ? address : address - 1n;
}

function networkOf(value: Value): Network {
  if (typeof value !== "string") throw new Error("element must be string");
  const address = parseAddress(value);
  if (address === undefined) return parseCidr(value).network;
  if (address.bits === 128) throw new Error("IPv6 invalid: needs prefix length");
  // Go takes a bare address for the network of its class.
  const top = address.value >> 24n;
  const prefix = top < 0x80n ? 8 : top < 0xc0n ? 16 : 24;
  return parseCidr(`${addressText(address)}/${prefix}`).network;
}

/** The fewest networks that make up a range. */
function networksOf(from: bigint, last: bigint): string[] {
  const isV4 = from >= FIRST_V4 && last <= LAST_V4;
  const [bits, base] = isV4 ? ([32, FIRST_V4] as const) : ([128, 0n] as const);
  const texts: string[] = [];
  for (let first = from; first <= last;) {
    let size = 0n;
    while (
      size < BigInt(bits) &&
      first % (1n << (size + 1n)) === 0n &&
      first + (1n << (size + 1n)) - 1n <= last
    ) {
      size++;
    }
    texts.push(networkText({ bits, prefix: bits - Number(size), value: first - base }));
    first += 1n << size;
  }
  return texts;
}

function order(a: bigint, b: bigint): number {
  return a < b ? -1 : Number(a > b);
}

function containsMatches(operands: Operands): Value {
  const items = candidates(2, operands.any(2));
  const matches: Value[] = [];
  for (const [outer, index] of candidates(1, operands.any(1))) {
    const { network } = parseCidr(outer);
    for (const [inner, innerIndex] of items) {
      if (containsText(network, inner)) matches.push([index, innerIndex]);
    }
  }
  return new RegoSet(matches);
}

/** Texts, each with what stands for it in the answer. */
function candidates(position: number, value: Value): [text: string, index: Value][] {
  if (typeof value === "string") return [[value, value]];
  const text = (item: Value): string => {
    const first = Array.isArray(item) ? (item[0] as Value | undefined) : item;
    if (typeof first === "string") return first;
    if (Array.isArray(item) && first !== undefined) throw wrongKind(1, first, "string");
    throw new Error(`operand ${position}: element must be string or non-empty array`);
  };
  if (value instanceof RegoSet) return value.values.map((item) => [text(item), item]);
  if (value instanceof RegoObject) return value.entries.map(([key, item]) => [text(item), key]);
  if (!Array.isArray(value)) return [];
  return value.map((item: Value, index) => [text(item), new RegoNumber(index)]);
}

function containsText(network: Network, text: string): boolean {
  const address = parseAddress(text);
  if (address !== undefined) return contains(network, address);
  let inner: Network;
  try {
    inner = parseCidr(text).network;
  } catch {
    throw new Error(`not a valid textual representation of an IP address or CIDR: ${text}`);
  }
  return inner.prefix >= network.prefix && contains(network, inner);
}
