/** As whom the bridges connect. Servers let everybody in, as long as nobody is revoked. */
export const BRIDGE_USER = { username: "bridge", password: "bridge-password" } as const;

/** As whom the harness connects. */
export const CHAOS_USER = { username: "chaos", password: "chaos-password" } as const;
