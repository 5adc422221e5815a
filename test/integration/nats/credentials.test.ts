import { chmod, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NatsError } from "nats";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { isBridgeError } from "../../../src/errors.ts";
import type { NatsAuth } from "../../../src/nats/credentials.ts";
import { makeOperator } from "../../support/credentials.ts";
import { startNatsServer } from "../../support/nats-server.ts";
import { answered, connectedLink, expectNoSecret, KeepingLogger, linkTo } from "./link-kit.ts";

const NO_RESPONDERS = "503";

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "nats-opa-bridge-creds-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const TOKEN = "t0ken-s3cret";
const PASSWORD = "passw0rd-s3cret";
const byToken: NatsAuth = { mode: "token", token: TOKEN };
const byPassword: NatsAuth = { mode: "userpass", username: "alice", password: PASSWORD };

const tokenConfig = `authorization { token: "${TOKEN}" }`;
const userConfig = `authorization { user: alice, password: "${PASSWORD}" }`;

describe("a connection", () => {
  test.each([
    ["without credentials", "", { mode: "none" } as const, ""],
    ["with a token", tokenConfig, byToken, TOKEN],
    ["with user and password", userConfig, byPassword, PASSWORD],
  ])("N31 is made %s", async (_, config, auth, secret) => {
    await using server = await startNatsServer({ config });
    const logger = new KeepingLogger();
    await using link = await connectedLink(server.url, { auth, logger });
    expect(link.state).toBe("connected");
    expect(link.status()).toEqual({
      state: "connected",
      server: `127.0.0.1:${server.port}`,
      reconnects: 0,
    });
    expect(await answered(link)).toBe("answered");
    if (secret !== "") expectNoSecret([secret], link.status(), logger.lines);
  });

  test("N31 is made with a user JWT and its seed", async () => {
    const operator = await makeOperator();
    await using server = await startNatsServer({ config: operator.config });
    const { jwt, seed } = await operator.addUser("app");
    const logger = new KeepingLogger();
    await using link = await connectedLink(server.url, {
      auth: { mode: "jwt", jwt, seed },
      logger,
    });
    expect(await answered(link)).toBe("answered");
    expectNoSecret([jwt, seed], link.status(), logger.lines);
  });

  test.each([
    ["no credentials", { mode: "none" }],
    ["another token", { mode: "token", token: "another-t0ken" }],
    ["a wrong password", { ...byPassword, password: "wr0ng-passw0rd" }],
  ] as const)("N31 with %s is refused, and says so without the secret", async (_, auth) => {
    await using server = await startNatsServer({ config: userConfig });
    const logger = new KeepingLogger();
    await using link = linkTo(server.url, { auth, logger });
    const error: unknown = await link.start().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: "NATS_AUTH",
      message: `The NATS server at ${server.url} refused the credentials (AUTHORIZATION_VIOLATION); check the auth keys of plugins.nats.`,
    });
    expect(link.state).toBe("failed");
    await expect(link.connection()).rejects.toBe(error);
    const secrets = ["another-t0ken", "wr0ng-passw0rd", PASSWORD];
    expectNoSecret(secrets, error, link.status(), logger.lines);
  });

  test("N31 a user of another operator is refused without showing JWT or seed", async () => {
    const operator = await makeOperator();
    const stranger = await (await makeOperator()).addUser("stranger");
    await using server = await startNatsServer({ config: operator.config });
    const { jwt, seed, creds } = stranger;
    const file = join(dir, "stranger.creds");
    await writeFile(file, creds);
    for (const auth of [
      { mode: "jwt", jwt, seed },
      { mode: "creds", file },
    ] as const) {
      const logger = new KeepingLogger();
      await using link = linkTo(server.url, { auth, logger });
      const error: unknown = await link.start().catch((thrown: unknown) => thrown);
      expect(isBridgeError(error, "NATS_AUTH")).toBe(true);
      expectNoSecret([jwt, seed], error, link.status(), logger.lines);
    }
  });
});

describe("credentials that can't be used", () => {
  // Nothing listens there: the credentials are refused before anything is connected.
  const nowhere = "nats://127.0.0.1:1";

  test.each([
    ["empty", ""],
    ["garbage", "garbage-s3cret"],
    [
      "without a seed",
      "-----BEGIN NATS USER JWT-----\njwt-s3cret\n------END NATS USER JWT------\n",
    ],
    [
      "with a broken seed",
      "-----BEGIN NATS USER JWT-----\njwt-s3cret\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\nSUAs3cret\n------END USER NKEY SEED------\n",
    ],
  ])("N31 a .creds file that is %s", async (name, content) => {
    const file = join(dir, `${name}.creds`);
    await writeFile(file, content);
    const logger = new KeepingLogger();
    const link = linkTo(nowhere, { auth: { mode: "creds", file }, logger });
    const error: unknown = await link.start().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: "NATS_CREDENTIALS",
      message: `plugins.nats.credentials (${JSON.stringify(file)}) does not hold a usable user JWT and nkey seed; generate it again with nsc.`,
    });
    expectNoSecret(["s3cret"], error, link.status(), logger.lines);
  });

  test("N31 a .creds file that is not there, or is a directory", async () => {
    for (const [file, code] of [
      [join(dir, "missing.creds"), "ENOENT"],
      [dir, "EISDIR"],
    ] as const) {
      await expect(
        linkTo(nowhere, { auth: { mode: "creds", file } }).start(),
      ).rejects.toMatchObject({
        code: "NATS_CREDENTIALS",
        message: `plugins.nats.credentials: the file ${JSON.stringify(file)} can't be read (${code}); check the path and its permissions.`,
      });
    }
  });

  test("N31 a seed that is none", async () => {
    const auth = { mode: "jwt", jwt: "jwt-s3cret", seed: "SUAseed-s3cret" } as const;
    const error: unknown = await linkTo(nowhere, { auth })
      .start()
      .catch((thrown: unknown) => thrown);
    expect(isBridgeError(error, "NATS_CREDENTIALS")).toBe(true);
    expectNoSecret(["s3cret"], error);
  });

  test("N31 are refused also where a failed connect is retried", async () => {
    const auth = { mode: "creds", file: join(dir, "missing.creds") } as const;
    await expect(
      linkTo(nowhere, { auth, retryOnFailedConnect: true }).start(),
    ).rejects.toMatchObject({ code: "NATS_CREDENTIALS" });
  });
});

describe("a .creds file that is replaced while the bridge runs", () => {
  async function rotating() {
    const operator = await makeOperator();
    const server = await startNatsServer({ config: operator.config });
    const file = join(dir, `rotating-${server.port}.creds`);
    // Each user may publish on one subject only, which tells who a connection belongs to.
    const credsOf = async (name: "old" | "new"): Promise<string> =>
      (await operator.addUser(name, { pub: { allow: [`who.${name}`] } })).creds;
    await writeFile(file, await credsOf("old"), { mode: 0o600 });
    const link = await connectedLink(server.url, { auth: { mode: "creds", file } });
    const userOfConnection = async (): Promise<string> => {
      const connection = await link.connection();
      for (const name of ["old", "new"]) {
        const error: unknown = await connection.request(`who.${name}`).catch((e: unknown) => e);
        if ((error as NatsError).code === NO_RESPONDERS) return name;
      }
      throw new Error("neither user");
    };
    return { credsOf, server, file, link, userOfConnection };
  }

  test("N31 is used at the next connect", async () => {
    const { credsOf, server, file, link, userOfConnection } = await rotating();
    expect(await userOfConnection()).toBe("old");
    await writeFile(`${file}.tmp`, await credsOf("new"));
    await rename(`${file}.tmp`, file);
    await server.restart();
    await vi.waitFor(() => expect(link.status().reconnects).toBe(1), 10_000);
    expect(await userOfConnection()).toBe("new");
    await link.close();
    await server.stop();
  });

  test.each([
    ["spoiled", (file: string) => writeFile(file, "garbage")],
    ["empty", (file: string) => writeFile(file, "")],
    ["removed", (file: string) => rm(file)],
  ])("N31 and is %s: the last good one stays in use", async (_, spoil) => {
    const { credsOf, server, file, link, userOfConnection } = await rotating();
    await spoil(file);
    await server.restart();
    await vi.waitFor(() => expect(link.status().reconnects).toBe(1), 10_000);
    expect(await userOfConnection()).toBe("old");
    await writeFile(file, await credsOf("new"));
    await chmod(file, 0o600);
    await server.restart();
    await vi.waitFor(() => expect(link.status().reconnects).toBe(2), 10_000);
    expect(await userOfConnection()).toBe("new");
    await link.close();
    await server.stop();
  });
});
