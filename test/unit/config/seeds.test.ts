import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseConfig } from "../../../src/config/load.ts";
import { serversOf } from "../../../src/config/seeds.ts";

let dir: string;
let file: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "nats-opa-bridge-seeds-"));
  file = join(dir, "servers");
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const fixed = ["nats://a:4222"];

describe("the servers to connect to", () => {
  test("R2 are the fixed list, where there is nothing else", async () => {
    expect(await serversOf({ servers: fixed })()).toEqual(fixed);
  });

  test("R2 R17 are read from the file as it is at every attempt", async () => {
    const servers = serversOf({ servers: fixed, serversFile: file });
    await writeFile(file, "# of the cluster\n\nb\ntls://c:4333 , [::1] # the last\r\nb:4222\n");
    expect(await servers()).toEqual(["nats://b:4222", "tls://c:4333", "nats://[::1]:4222"]);
    await writeFile(file, "d:1");
    expect(await servers()).toEqual(["nats://d:1"]);
  });

  test("R2 R5 are what a lookup answers at every attempt, in the place of the file", async () => {
    let answer: readonly string[] = ["e:1"];
    const servers = serversOf({ servers: fixed, serversFile: file }, () => answer);
    expect(await servers()).toEqual(["nats://e:1"]);
    answer = ["f", "g:2"];
    expect(await servers()).toEqual(["nats://f:4222", "nats://g:2"]);
  });

  test.each([
    ["", "no address; write nats://host:4222."],
    ["# nothing\n,\n", "no address; write nats://host:4222."],
    ["a\nhttp://b", "address 2: the scheme must be nats or tls; write"],
    ["nats://bob:s3cret@b", "an address names a user; give it under the auth keys instead."],
    ["a:70000", "address 1: the port must be at most 65535"],
    ["\xff", "this is not a host and a port"],
    ["a\n".repeat(40_000), "can't be read (more than 64 KiB); check"],
    ["a\n".repeat(2_000), "more than 1000 addresses; give fewer."],
  ])("R2 are refused with the remedy, and without what is in the file: %j", async (text, says) => {
    await writeFile(file, text);
    const error: unknown = await serversOf({ servers: fixed, serversFile: file })().catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({
      code: "NATS_SERVERS",
      retryable: true,
      message: expect.stringContaining(`server_urls_file: the file ${JSON.stringify(file)}`),
    });
    expect((error as Error).message).toContain(says);
    expect((error as Error).message).not.toContain("s3cret");
  });

  test("R2 a file that isn't there, isn't text or is a folder is named", async () => {
    const missing = join(dir, "missing");
    await expect(serversOf({ servers: [], serversFile: missing })()).rejects.toThrow(
      `the file ${JSON.stringify(missing)} can't be read (ENOENT); check the path`,
    );
    await expect(serversOf({ servers: [], serversFile: dir })()).rejects.toThrow("(EISDIR)");
    await writeFile(file, Buffer.from([0x61, 0xff]));
    await chmod(file, 0o600);
    await expect(serversOf({ servers: [], serversFile: file })()).rejects.toThrow("not UTF-8");
  });

  test.each<[string, () => unknown, string]>([
    [
      "throws",
      () => {
        throw new Error("no route");
      },
      "the lookup of the servers failed: no route.",
    ],
    ["answers a text", () => "a", "answered no list of texts"],
    ["answers numbers", () => [1], "answered no list of texts"],
    ["R13 answers nothing", () => [], "no address; write nats://host:4222."],
    ["answers a user", () => ["nats://u:pw@a"], "names a user"],
  ])("R8 a lookup that %s is an error of the attempt", async (_, lookup, says) => {
    await expect(serversOf({ servers: fixed }, lookup as never)()).rejects.toMatchObject({
      code: "NATS_SERVERS",
      message: expect.stringContaining(says),
    });
  });

  test("R2 are given in one way", () => {
    const nats = { server_url: "nats://a", server_urls_file: "servers" };
    expect(() => parseConfig({ nats })).toThrow(
      "nats.server_urls_file: server_url is given too; keep one of the two",
    );
  });
});
