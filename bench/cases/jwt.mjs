import { createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PolicyEngine } from "../../dist/policy/engine.js";
import { readBundle } from "../../dist/policy/bundle.js";
import { PolicyStore } from "../../dist/store/policy-store.js";
import { buildPeer, runPeer } from "../lib/go-peer.mjs";
import { collect, median } from "../lib/stats.mjs";

// Decisions a second that are one io.jwt.decode_verify, each of another token by the same key: RS256 with 2,048
// bits, and ES256. In OPA's own evaluator in process too, with its default caches: both keep keys ready between
// queries, and verify every token.

const POLICY = "test/policies/builtins";
const TOKENS = 500;
const ROUNDS = 5;
const ROUND_MS = 1_500;
const KEYS = {
  rs256: { alg: "RS256", make: () => generateKeyPairSync("rsa", { modulusLength: 2048 }) },
  es256: { alg: "ES256", make: () => generateKeyPairSync("ec", { namedCurve: "P-256" }) },
};
const NO_BUCKETS = { isWatched: () => false };

export default async function measure(report) {
  const engine = new PolicyEngine({
    store: new PolicyStore(),
    demand: NO_BUCKETS,
    queryTimeoutMs: 1_000,
  });
  await engine.activate(await readBundle(`${POLICY}/bundle.tar.gz`));
  const decide = (input) => engine.decide("builtins/token", input);
  const fields = {};
  for (const [name, { alg, make }] of Object.entries(KEYS)) {
    const inputs = tokens(alg, make());
    for (const input of inputs) {
      if (!(await decide(input)).startsWith("[true,")) throw new Error("a good token is refused");
    }
    const [ours, opa] = [[], []];
    // In turns, so that a busy moment of the machine is both sides' loss.
    for (let round = 0; round < ROUNDS; round++) {
      collect();
      ours.push(await perSecond(decide, inputs));
      const rate = await opaPerSecond(inputs);
      if (rate !== undefined) opa.push(rate);
      report({ round, [`${name}_per_s`]: ours.at(-1), [`opa_${name}_per_s`]: opa.at(-1) });
    }
    fields[`${name}_per_s`] = median(ours);
    if (opa.length === 0) continue;
    fields[`opa_${name}_per_s`] = median(opa);
    fields[`${name}_vs_opa`] = median(ours) / median(opa);
  }
  const ratios = [fields.rs256_vs_opa, fields.es256_vs_opa].filter((ratio) => ratio !== undefined);
  return { ...fields, ...(ratios.length > 0 && { vs_opa: Math.min(...ratios) }) };
}

function tokens(alg, { privateKey }) {
  const cert = createPublicKey(privateKey).export({ type: "spki", format: "pem" });
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return Array.from({ length: TOKENS }, (_, index) => {
    const claims = { iss: "issuer", sub: `user-${index}`, exp: 4_000_000_000, roles: ["a", "b"] };
    const text = `${part({ alg, typ: "JWT" })}.${part(claims)}`;
    const signature = sign("sha256", Buffer.from(text), {
      key: privateKey,
      dsaEncoding: "ieee-p1363",
    });
    return JSON.stringify({ token: `${text}.${signature.toString("base64url")}`, cert });
  });
}

async function perSecond(decide, inputs) {
  let count = 0;
  const start = performance.now();
  let elapsed = 0;
  while ((elapsed = performance.now() - start) < ROUND_MS) {
    for (let index = 0; index < 100; index++, count++) await decide(inputs[count % inputs.length]);
  }
  return (count * 1_000) / elapsed;
}

async function opaPerSecond(inputs) {
  const peer = await buildPeer("opa-eval");
  if (peer === undefined) return undefined;
  const folder = await mkdtemp(join(tmpdir(), "bench-"));
  try {
    const [data, asked] = [join(folder, "data.json"), join(folder, "inputs.json")];
    await writeFile(data, "{}");
    await writeFile(asked, `[${inputs.join(",")}]`);
    const args = ["-policy", `${POLICY}/builtins.rego`, "-data", data, "-inputs", asked];
    args.push("-query", "data.builtins.token", "-seconds", String(ROUND_MS / 1_000));
    return (await runPeer(peer, args)).per_second;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
