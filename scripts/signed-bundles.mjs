import { generateKeyPairSync } from "node:crypto";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CAPABILITIES_FILE } from "./capabilities.mjs";
import { opa } from "./opa.mjs";

// `npm run bundles:signed` makes the bundles that opa itself has signed, with new keys of which only the public
// halves are kept: test/policies/signed/ALGORITHM.tar.gz and ALGORITHM.pem, made of test/policies/roots/teams and
// data that is hard to write canonically.

const SOURCE = fileURLToPath(new URL("../test/policies/roots/teams/", import.meta.url));
const OUTPUT = fileURLToPath(new URL("../test/policies/signed/", import.meta.url));
const SECRET = "a secret that everybody knows, for tests only";

/** Strings, numbers and names whose canonical form differs between encoders. */
const HARD_DATA = String.raw`{
  "z": [1, 1.0, 1e2, -0, 9007199254740993, 1e400, [], {}, [{"b": 1, "a": 2}]],
  "é": "é", "\uffff": "last of the first plane", "😀": "\ud83d\ude00", "a\u0000b": "\u0007\b\f\n\r\t\"\\\/\u007f",
  "lines": "\u2028\u2029", "html": "<a href='x'>&</a>", "half": "\ud800", "true": [true, false, null],
  "duplicate": 1, "duplicate": 2
}`;

const rsa = () => generateKeyPairSync("rsa", { modulusLength: 2_048 });
const KEYS = {
  RS256: rsa(),
  PS256: rsa(),
  ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
  HS256: undefined,
};

const staging = await mkdtemp(join(tmpdir(), "signed-"));
try {
  await mkdir(OUTPUT, { recursive: true });
  const files = join(staging, "files");
  await cp(SOURCE, files, {
    recursive: true,
    filter: (file) => !/bundle\.(?:json|tar\.gz)$/.test(file),
  });
  await mkdir(join(files, "teams", "hard"));
  await writeFile(join(files, "teams", "hard", "data.json"), HARD_DATA);
  const claims = join(staging, "claims.json");
  await writeFile(claims, JSON.stringify({ keyid: "test", scope: "write" }));
  for (const [algorithm, pair] of Object.entries(KEYS)) {
    const key = join(staging, "key");
    await writeFile(key, pair?.privateKey.export({ type: "pkcs8", format: "pem" }) ?? SECRET);
    const verified = pair?.publicKey.export({ type: "spki", format: "pem" }) ?? SECRET;
    await writeFile(join(OUTPUT, `${algorithm}.pem`), verified);
    const args = ["build", "-t", "wasm", "-b", ".", "-r", `signed-${algorithm}`];
    args.push("--capabilities", fileURLToPath(CAPABILITIES_FILE));
    args.push("-e", "teams/authz/allow", "-o", join(OUTPUT, `${algorithm}.tar.gz`));
    args.push("--signing-key", key, "--signing-alg", algorithm);
    args.push("--claims-file", claims);
    await opa(args, files);
  }
} finally {
  await rm(staging, { recursive: true, force: true });
}
