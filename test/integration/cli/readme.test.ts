import { copyFile, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connect } from "nats";
import { ModuleKind, ScriptTarget, transpileModule } from "typescript";
import { beforeAll, describe, expect, it } from "vitest";
import { createBridge } from "../../../src/bridge.ts";
import { startNatsServer } from "../../support/nats-server.ts";
import { build, run, scratch } from "./cli.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const BUNDLE = join(ROOT, "examples/groups/bundle.tar.gz");
const BASIC = join(ROOT, "test/policies/basic/bundle.tar.gz");
const GROUP = "550e8400-e29b-41d4-a716-446655440000";

async function snippet(language: string): Promise<string> {
  const readme = await readFile(join(ROOT, "README.md"), "utf8");
  const found = new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\``, "m").exec(readme);
  if (found === null) throw new Error(`README.md has no snippet in ${language}`);
  return found[1]!;
}

beforeAll(build, 120_000);

describe("what the README shows", () => {
  it("runs: the library, against a real server", async () => {
    await using nats = await startNatsServer();
    const client = await connect({ servers: nats.url });
    const { views } = client.jetstream();
    const root = await views.kv("permit-groups-default");
    await root.put("roles.admin", '{"inherits":[]}');
    const group = await views.kv(GROUP);
    await group.put("metadata", '{"active":true}');
    await group.put("members.alice", '{"role":"admin"}');
    const permission = { resource: "invoice", action: "pay", roles: ["admin"], effect: "allow" };
    await group.put("permissions.pay", JSON.stringify(permission));
    await client.close();

    await using dir = await scratch();
    await mkdir(join(dir.path, "node_modules"));
    await symlink(ROOT, join(dir.path, "node_modules/nats-opa-bridge"));
    await mkdir(join(dir.path, "policy"));
    await copyFile(BUNDLE, join(dir.path, "policy/bundle.tar.gz"));
    const source = (await snippet("ts")).replace("nats://localhost:4222", nats.url);
    const { outputText } = transpileModule(source, {
      compilerOptions: { target: ScriptTarget.ES2022, module: ModuleKind.ESNext },
    });
    await writeFile(join(dir.path, "main.mjs"), outputText);
    const ended = await run([], { main: join(dir.path, "main.mjs"), cwd: dir.path }).exit;
    expect(ended).toEqual({ code: 0, signal: null, stdout: "true\n", stderr: "" });
  });

  it("is enough: the permissions of the NATS user, for a load, for changes and after a restart", async () => {
    const admin = "  users = [\n    { user: admin, password: admin }\n";
    const config = (await snippet("conf")).replace("  users = [\n", admin);
    expect(config).toContain(admin);
    await using nats = await startNatsServer({ config });
    const client = await connect({ servers: nats.url, user: "admin", pass: "admin" });
    const { views } = client.jetstream();
    await (await views.kv("other")).put("a", "1");
    const kv = await views.kv("team-a");
    // Enough for flow control to be needed.
    const value = new TextEncoder().encode("x".repeat(1_000));
    for (let key = 0; key < 20_000; key++) client.publish(`$KV.team-a.k${key}`, value);
    await client.flush();
    await kv.put("last", "0");

    await using bridge = await createBridge({
      nats: { server_url: nats.url, username: "bridge", password: "change me" },
      bundle: { file: BASIC },
    });
    const last = async (): Promise<unknown> => {
      const input = { bucket: "team-a", key: "last" };
      return (await bridge.decide("basic/value", input)).result;
    };
    const until = async (expected: number): Promise<void> => {
      await expect.poll(last, { timeout: 15_000, interval: 20 }).toBe(expected);
    };
    await until(0);
    await kv.put("last", "1");
    await until(1);
    await nats.restart();
    await expect
      .poll(() => kv.put("last", "2").catch(() => undefined), { timeout: 15_000 })
      .toBeTypeOf("number");
    await until(2);
    const forbidden = bridge.manager.getOrCreateWatcher("other");
    await expect(forbidden).rejects.toMatchObject({ code: "BUCKET_FORBIDDEN" });
    await client.close();
  });
});
