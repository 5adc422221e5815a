import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "nats";
import { Asker, Truth } from "./asker.mjs";

// Kills the nodes of the cluster in turn, while both bridges are asked for decisions all the time. Each time a key
// is written while the node is dead, and each bridge has to show it. Ends with code 1 when a decision failed or
// was wrong, or a write was not shown.

const { values } = parseArgs({ options: { rounds: { type: "string", default: "3" } } });
const ROUNDS = Number(values.rounds);
const PATIENCE_MS = 120_000;
const GROUP = "550e8400-e29b-41d4-a716-446655440000";

const { env } = process;
const COMPOSE = (env.COMPOSE ?? "docker compose").split(" ");
const nodes = [1, 2, 3].map((number) => ({
  name: `nats-${number}`,
  url: `nats://127.0.0.1:${env[`NATS_${number}_PORT`] ?? 4221 + number}`,
  health: `http://127.0.0.1:${env[`NATS_${number}_HTTP_PORT`] ?? 8221 + number}/healthz`,
}));

const truth = new Truth();
const askers = [1, 2].map((number) => {
  const url = `http://127.0.0.1:${env[`BRIDGE_${number}_PORT`] ?? 8180 + number}`;
  const input = { group: GROUP, resource: "invoice", action: "pay" };
  return new Asker(`bridge-${number}`, url, truth, input);
});

const connection = await insist("no node can be reached", () =>
  connect({
    servers: nodes.map(({ url }) => url),
    // What the nodes tell of each other are addresses inside the containers' network.
    ignoreClusterUpdates: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
  }),
);
try {
  await Promise.all(nodes.map(healthy));
  const { kv, revision } = await fill();
  await Promise.all(askers.map((asker) => asker.ready(revision, PATIENCE_MS)));
  const end = new AbortController();
  const asking = askers.map((asker) => asker.run(end.signal));
  try {
    for (let round = 0; round < ROUNDS; round++) await kill(nodes[round % nodes.length], kv);
  } finally {
    end.abort();
    await Promise.all(asking);
  }
} catch (error) {
  console.error(`${error.message}${error.cause ? ` (${error.cause})` : ""}`);
  process.exitCode = 1;
} finally {
  await connection.close();
}

const [asked, failed, wrong] = ["asked", "failed", "wrong"].map((what) =>
  askers.reduce((sum, asker) => sum + asker[what], 0),
);
console.log(`${asked} decisions asked, ${failed} failed, ${wrong} wrong`);
if (asked === 0 || failed > 0 || wrong > 0) process.exitCode = 1;

/** The bucket, with a copy on every node: alice may pay, bob not yet, and nobody knows mallory. */
async function fill() {
  const kv = await insist("the bucket can't be made", () =>
    connection.jetstream().views.kv(GROUP, { replicas: nodes.length }),
  );
  const data = {
    metadata: { name: "Payments", active: true },
    "permissions.pay": { resource: "invoice", action: "pay", roles: ["admin"], effect: "allow" },
    "members.alice": { role: "admin" },
    "members.bob": { role: "viewer" },
  };
  let revision = 0;
  for (const [key, value] of Object.entries(data)) revision = await put(kv, key, value);
  return { kv, revision };
}

/** One round: a node is killed, bob's role is written, both bridges show it, and the node comes back. */
async function kill(node, kv) {
  const leader = await leaderOf(kv);
  const killedAt = performance.now();
  await compose("kill", node.name);
  try {
    const mayPay = !truth.latest;
    truth.change(mayPay);
    await put(kv, "members.bob", { role: mayPay ? "admin" : "viewer" });
    const writtenAt = performance.now();
    console.log(
      `${node.name} killed${node.name === leader ? ", the bucket's leader" : ""}; a write is acknowledged ${ms(writtenAt - killedAt)} later`,
    );
    await Promise.all(
      askers.map(async (asker) => {
        // A bridge may be told before the writer is.
        const after = Math.max(0, (await asker.shows(PATIENCE_MS)) - writtenAt);
        console.log(`  ${asker.name} shows the write ${ms(after)} after that`);
      }),
    );
  } finally {
    await compose("start", node.name);
  }
  // The next one is killed only when the copies on this one are whole again.
  const startedAt = performance.now();
  await healthy(node);
  console.log(`  ${node.name} is whole again ${ms(performance.now() - startedAt)} after its start`);
}

async function leaderOf(kv) {
  return insist("the bucket has no leader", async () => {
    const { leader } = (await kv.status()).streamInfo.cluster;
    if (!leader) throw new Error("an election is under way");
    return leader;
  });
}

/** The revision that it got. */
async function put(kv, key, value) {
  return insist(`${key} can't be written`, () => kv.put(key, JSON.stringify(value)));
}

/** Resolves when the node says that it is up and its copies are current. */
async function healthy({ name, health }) {
  await insist(`${name} is not healthy`, async () => {
    const answer = await fetch(health, { signal: AbortSignal.timeout(5_000) });
    if (!answer.ok) throw new Error(await answer.text());
  });
}

/** Without its leader the cluster refuses for some seconds, and what is under way gets no answer. */
async function insist(complaint, attempt) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (cause) {
      if (Date.now() > deadline) throw new Error(complaint, { cause });
    }
    await delay(100);
  }
}

async function compose(...args) {
  const [program, ...first] = COMPOSE;
  const cwd = fileURLToPath(new URL(".", import.meta.url));
  await promisify(execFile)(program, [...first, ...args], { cwd });
}

function ms(duration) {
  return `${Math.round(duration)} ms`;
}
