import { lookup } from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";

/** Where policies may reach to. */
export interface OutboundOptions {
  /** Names and addresses of hosts, as in `allow_net` of OPA's capabilities: as they are written in the URL. */
  readonly allowNet: readonly string[];
  /** Whether those hosts may have private, loopback or link-local addresses. */
  readonly allowPrivate: boolean;
}

/** Addresses that are nobody's on the internet (IANA's special-purpose registries), tunnels to them included. */
const PRIVATE: BlockList = new BlockList();
for (const [network, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["224.0.0.0", 3],
] as const) {
  PRIVATE.addSubnet(network, prefix, "ipv4");
}
for (const [network, prefix] of [
  ["::", 96],
  ["::ffff:0:0:0", 96],
  ["64:ff9b::", 32],
  ["100::", 64],
  ["2001::", 32],
  ["2002::", 16],
  ["fc00::", 7],
  ["fe80::", 10],
  ["fec0::", 10],
  ["ff00::", 8],
] as const) {
  PRIVATE.addSubnet(network, prefix, "ipv6");
}

/** Says whether policies may reach a host, and an address. */
export class OutboundRules {
  readonly #hosts: ReadonlySet<string>;
  readonly #allowPrivate: boolean;

  constructor({ allowNet, allowPrivate }: OutboundOptions) {
    this.#hosts = new Set(allowNet.map((host) => host.toLowerCase()));
    this.#allowPrivate = allowPrivate;
  }

  /** Throws, in OPA's words, when the host is not allowed. */
  checkHost(host: string): void {
    if (this.#hosts.has(host.toLowerCase())) return;
    throw new Error(`unallowed host: ${host}`);
  }

  /** Throws when the address may not be connected to. */
  checkAddress(address: string): void {
    const family = isIP(address);
    if (this.#allowPrivate && family !== 0) return;
    if (family !== 0 && !PRIVATE.check(address, family === 6 ? "ipv6" : "ipv4")) return;
    throw new Error(`unallowed address: ${address} is private; see outbound.allow_private`);
  }

  /**
   * `dns.lookup` for connections, which fails when the name stands for any address that may not be connected to. It
   * judges the very addresses that the connection is made to, so a name that changes its mind gains nothing.
   */
  readonly lookup: LookupFunction = (host, options, callback) => {
    lookup(host, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, "");
      try {
        for (const { address } of addresses) this.checkAddress(address);
      } catch (refused) {
        return callback(refused as Error, "");
      }
      const [first] = addresses;
      if (options.all === true || first === undefined) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}
