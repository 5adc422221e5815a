import { isIPv4, isIPv6 } from "node:net";

/** An address: its size in bits and its value. IPv6 texts of IPv4 addresses (`::ffff:…`) count as IPv4, as in Go. */
export interface Address {
  readonly bits: 32 | 128;
  readonly value: bigint;
}

/** A network: all addresses that share the first bits with this one. */
export interface Network extends Address {
  readonly prefix: number;
}

const MAPPED = 0xffffn << 32n;

/** An address without a zone; undefined for what is none. */
export function parseAddress(text: string): Address | undefined {
  if (isIPv4(text)) return { bits: 32, value: ipv4Value(text) };
  if (!isIPv6(text) || text.includes("%")) return undefined;
  const value = ipv6Value(text);
  return value >> 32n === 0xffffn
    ? { bits: 32, value: value & 0xffff_ffffn }
    : { bits: 128, value };
}

/** `address/prefix`; throws for what is none. `address` keeps the host's bits, `network` does not. */
export function parseCidr(text: string): { address: Address; network: Network } {
  const match = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text);
  const [, host = "", length = ""] = match ?? [];
  const isV4 = isIPv4(host);
  const prefix = Number(length);
  const invalid = !isV4 && (!isIPv6(host) || host.includes("%"));
  if (match === null || invalid || prefix > (isV4 ? 32 : 128)) {
    throw new Error(`invalid CIDR address: ${text}`);
  }
  const bits = isV4 ? 32 : 128;
  const value = isV4 ? ipv4Value(host) : ipv6Value(host);
  return { address: { bits, value }, network: { bits, prefix, value: first(value, bits, prefix) } };
}

function first(value: bigint, bits: number, prefix: number): bigint {
  const free = BigInt(bits - prefix);
  return (value >> free) << free;
}

export function lastOf({ bits, prefix, value }: Network): bigint {
  return value | ((1n << BigInt(bits - prefix)) - 1n);
}

/** Whether an address lies in a network; those of another family never do. */
export function contains(network: Network, address: Address): boolean {
  if (network.bits !== address.bits) return false;
  return first(address.value, network.bits, network.prefix) === network.value;
}

export function addressText({ bits, value }: Address): string {
  if (bits === 32) {
    return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join(".");
  }
  if (value >> 32n === 0xffffn) return addressText({ bits: 32, value: value & 0xffff_ffffn });
  const groups = Array.from({ length: 8 }, (_, index) =>
    ((value >> BigInt(112 - index * 16)) & 0xffffn).toString(16),
  );
  // The first of the longest runs of two zeros or more (RFC 5952).
  let [at, length] = [0, 1];
  for (let index = 0; index < 8; index++) {
    let end = index;
    while (groups[end] === "0") end++;
    if (end - index > length) [at, length] = [index, end - index];
  }
  if (length < 2) return groups.join(":");
  return `${groups.slice(0, at).join(":")}::${groups.slice(at + length).join(":")}`;
}

export function networkText(network: Network): string {
  return `${addressText(network)}/${network.prefix}`;
}

/** The address as one of IPv6, in which all can be put in order. */
export function wide({ bits, value }: Address): bigint {
  return bits === 32 ? MAPPED | value : value;
}

function ipv4Value(text: string): bigint {
  return text.split(".").reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function ipv6Value(text: string): bigint {
  const tail = /[^:]*\.[^:]*$/.exec(text)?.[0];
  let plain = text;
  if (tail !== undefined) {
    const value = ipv4Value(tail);
    plain = `${text.slice(0, -tail.length)}${(value >> 16n).toString(16)}:${(value & 0xffffn).toString(16)}`;
  }
  const [head = "", rest] = plain.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = rest === undefined || rest === "" ? [] : rest.split(":");
  const missing = rest === undefined ? 0 : 8 - left.length - right.length;
  return [...left, ...Array<string>(missing).fill("0"), ...right].reduce(
    (value, group) => (value << 16n) | BigInt(`0x${group}`),
    0n,
  );
}
