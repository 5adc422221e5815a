import { readFile, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { opa } from "./opa.mjs";

// `npm run capabilities` writes capabilities.json: what opa knows itself, and the builtins that the bridge
// provides, without which opa refuses to compile a policy that calls them.

export const CAPABILITIES_FILE = new URL("../capabilities.json", import.meta.url);

const STRING = { type: "string" };

const BUILTINS = [
  {
    name: "nats.kv.watch_bucket",
    description: "Keeps a live copy of a KV bucket in data.nats.kv, and is true once it is loaded.",
    args: [STRING],
    result: { type: "boolean" },
  },
  {
    name: "nats.kv.get_data",
    description: "The value of one key of a KV bucket; undefined when there is none.",
    args: [STRING, STRING],
    result: { type: "any" },
  },
  {
    name: "nats.kv.status",
    description:
      "What the bridge knows about a KV bucket: whether it is watched, loaded and current.",
    args: [STRING],
    result: { type: "object", dynamic: { key: STRING, value: { type: "any" } } },
  },
].map(({ name, description, args, result }) => ({
  name,
  description,
  decl: { args, result, type: "function" },
  // The answer depends on what NATS holds: opa must not work it out when it compiles the policy.
  nondeterministic: true,
}));

/** The text that capabilities.json should have. */
export async function currentCapabilities() {
  const { builtins, ...rest } = JSON.parse(await opa(["capabilities", "--current"]));
  return `${JSON.stringify({ ...rest, builtins: [...builtins, ...BUILTINS] }, null, 2)}\n`;
}

/** True when the committed file is what `npm run capabilities` would write. */
export async function capabilitiesAreCurrent() {
  const parse = async (text) => JSON.stringify(JSON.parse(await text));
  try {
    const committed = readFile(CAPABILITIES_FILE, "utf8");
    return (await parse(committed)) === (await parse(currentCapabilities()));
  } catch (error) {
    if (error.code === "ENOENT") return false;
    throw error;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await writeFile(CAPABILITIES_FILE, await currentCapabilities());
}
