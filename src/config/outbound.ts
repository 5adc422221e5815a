import * as z from "zod";
import { boolean, section, texts } from "./fields.ts";
import type { OutboundOptions } from "./options.ts";
import type { PolicyConfig } from "./types.ts";

/** A name of DNS, or an address, without a port. */
const HOST = /^(?:[a-z\d](?:[-_.a-z\d]*[a-z\d])?|[\da-f.:]*:[\da-f.:]*)$/i;

const outboundShape = {
  allow_net: texts([], HOST, "must be a host's name or address, without scheme and port"),
  allow_private: boolean(false),
} satisfies Record<keyof OutboundOptions, z.ZodType>;

/** `outbound`; undefined where policies may reach no host. */
export const outbound: z.ZodType<PolicyConfig["outbound"]> = section(
  z.strictObject(outboundShape).transform(({ allow_net, allow_private }) => {
    if (allow_net.length === 0) return undefined;
    return { allowNet: allow_net, allowPrivate: allow_private };
  }),
);

/** The keys of the section's map, for suggestions. */
export const OUTBOUND_KEYS: readonly (readonly [path: string, keys: readonly string[]])[] = [
  ["outbound", Object.keys(outboundShape)],
];
