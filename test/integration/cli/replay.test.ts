import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connect } from "nats";
import { beforeAll, describe, expect, it } from "vitest";
import { createBridge } from "../../../src/bridge.ts";
import { startNatsServer } from "../../support/nats-server.ts";
import { build, run, scratch } from "./cli.ts";

const BASIC = fileURLToPath(new URL("../../policies/basic/bundle.tar.gz", import.meta.url));
const SUBJECT = "decisions.log";

beforeAll(build, 120_000);

interface Line {
  readonly path: string;
  readonly verdict: string;
  readonly differences?: readonly { at: string; before?: string; after?: string }[];
  readonly reasons: readonly string[];
}

describe("replay", () => {
  it("L1 C6 makes decisions again with the buckets as they were, and says where the history does not reach", async () => {
    await using nats = await startNatsServer();
    const client = await connect({ servers: nats.url });
    const manager = await client.jetstreamManager();
    await manager.streams.add({ name: "LOG", subjects: [SUBJECT] });
    const { views } = client.jetstream();
    const kept = await views.kv("kept", { history: 10 });
    const short = await views.kv("short");
    await kept.put("a", '{"n":9007199254740993}');
    await kept.put("b", "1");
    await short.put("k", "1");

    const bridge = await createBridge({
      nats: { server_url: nats.url },
      bundle: { file: BASIC },
      decision_logs: { nats: { subject: SUBJECT } },
    });
    await bridge.manager.getOrCreateWatcher("kept");
    const ask = (path: string, input: object): Promise<unknown> =>
      bridge.decide(`basic/${path}`, input);
    await ask("value", { bucket: "kept", key: "a" });
    await ask("watched", { bucket: "kept" });
    await ask("value", { bucket: "kept", key: "gone" });
    await ask("value", { bucket: "short", key: "k" });
    await bridge.close();
    // None of this was there then.
    await kept.put("a", '{"n":1}');
    await kept.put("gone", "2");
    await kept.delete("b");
    await short.put("k", "2");

    const lines: string[] = [];
    const stored = await client.jetstream().consumers.get("LOG");
    for (let left = 4; left > 0; left--) lines.push((await stored.next())!.string());
    expect(JSON.parse(lines[0]!)).toMatchObject({ custom: { buckets: { kept: 2 } } });
    // What was logged is not what the policy says.
    lines.push(lines[0]!.replace("9007199254740993", "9007199254740992"));
    lines.push(JSON.stringify({ ...JSON.parse(lines[1]!), erased: ["/input/user"] }));
    lines.push(JSON.stringify({ ...JSON.parse(lines[1]!), custom: { buckets: { kept: 99 } } }));
    await client.close();

    await using dir = await scratch();
    const file = join(dir.path, "log.jsonl");
    await writeFile(file, `${lines.join("\n")}\n`);
    const source = ["-s", nats.url, "-b", BASIC];
    const ended = await run(["replay", file, ...source, "--json"]).exit;
    const told = ended.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Line);
    expect(told.map(({ verdict }) => verdict)).toEqual([
      "same",
      "same",
      "same",
      "unknown",
      "differs",
      "unknown",
      "unknown",
    ]);
    expect(told[3]!.reasons[0]).toMatch(
      /^bucket "short": key "k" has changed since, at revision 2/,
    );
    expect(told[4]!.differences).toEqual([
      { at: "/n", before: "9007199254740992", after: "9007199254740993" },
    ]);
    expect(told[5]!.reasons).toEqual(["the log shows the event without /input/user"]);
    expect(told[6]!.reasons[0]).toMatch(/revision 99, and NATS has 5/);
    expect([ended.code, ended.stderr]).toEqual([
      1,
      expect.stringMatching(/^3 the same, 1 differ, of 3 it can't be told\n$/),
    ]);

    // For people, and from standard input.
    const one = await run(["replay", ...source], { stdin: lines[3]! }).exit;
    expect([one.code, one.stdout.split("\n")[0]]).toEqual([
      3,
      expect.stringMatching(/^unknown {2}[\da-f-]{36} basic\/value$/),
    ]);
    const refused = await run(["replay", ...source], { stdin: "no event" }).exit;
    expect([refused.code, refused.stderr]).toEqual([
      2,
      expect.stringMatching(/^INPUT_INVALID: Line 1 is not a JSON object/),
    ]);
  }, 60_000);
});
