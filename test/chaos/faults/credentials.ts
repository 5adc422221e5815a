import { setTimeout as delay } from "node:timers/promises";
import { RECOVERY_MS } from "../promises.ts";
import { CHAOS_USER } from "../users.ts";
import type { Fault } from "./fault.ts";

/** Until now everybody was let in; from now on only the harness itself is. */
const WITHOUT_BRIDGES = `authorization { users: [
  { user: "${CHAOS_USER.username}", password: "${CHAOS_USER.password}" }
] }`;

export const credentialFaults: readonly Fault[] = [
  {
    name: "revoke",
    lane: "servers",
    nodes: [1, 3],
    run: (world, random) =>
      world.changingServers(async () => {
        const recovered = world.blindness.begin();
        for (const server of world.servers) {
          const { config } = server;
          await server.writeConfig(`${config}\n${WITHOUT_BRIDGES}`);
          await server.reload();
          await server.writeConfig(config);
        }
        await delay(random.int(100, 2_500));
        for (const server of world.servers) await server.reload();
        recovered(RECOVERY_MS);
      }),
  },
];
