import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { startServer } from "../../../src/server/server.ts";
import { makeTlsFiles, type TlsFiles } from "../../support/credentials.ts";
import { sharedNats } from "../../support/shared-nats.ts";
import { API, BASIC, type Reply, type Service, startService } from "./service.ts";

const shared = sharedNats();
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "access-"));
});

afterAll(() => rm(folder, { recursive: true }));

const REFUSED = { code: "unauthorized", message: "authentication required" };
const REJECTED = { code: "unauthorized", message: "request rejected by administrative policy" };

function ask(service: Service, token?: string, path = "/v1/data/api/allow"): Promise<Reply> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return service.post(path, '{"input":{"user":"alice"}}', headers);
}

async function replaceFile(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}

describe("authentication: token", () => {
  let tokenFile: string;
  let service: Service;
  beforeAll(async () => {
    tokenFile = join(folder, "tokens");
    await writeFile(tokenFile, "# who may ask\n\nplain-token\nalice  al1ce.t0ken= # hers\r\n");
    service = await startService(
      API,
      { server_url: shared.nats.url },
      { authentication: "token", tokenFile },
    );
  });
  afterAll(() => service[Symbol.asyncDispose]());

  it("lets in who has a token of the file, and nobody else", async () => {
    for (const token of ["plain-token", "al1ce.t0ken="]) {
      expect((await ask(service, token)).text).toBe('{"result":true}');
    }
    for (const token of [undefined, "", "alice", "plain-toke", "plain-tokenx", "#", "who", "*"]) {
      const reply = await ask(service, token);
      expect([reply.status, reply.body]).toEqual([401, REFUSED]);
      expect(reply.headers.get("www-authenticate")).toBe("Bearer");
    }
    for (const authorization of ["plain-token", "Basic plain-token", "Bearer a b", "Bearer"]) {
      const reply = await service.post("/v1/data/api/allow", "{}", { authorization });
      expect([authorization, reply.status]).toEqual([authorization, 401]);
    }
  });

  it("tells a stranger nothing of which paths there are, or what was wrong", async () => {
    for (const path of [
      "/v1/data/api/allow",
      "/nowhere",
      "/v1/status",
      "/v1/config",
      "/v1/policies",
    ]) {
      const reply = await service.post(path, "{not json");
      expect([path, reply.status, reply.body]).toEqual([path, 401, REFUSED]);
      expect([...reply.headers.keys()].toSorted()).toEqual([
        "connection",
        "content-length",
        "content-type",
        "date",
        "keep-alive",
        "www-authenticate",
      ]);
    }
  });

  it("O27 answers probes of /health, without reasons for strangers", async () => {
    expect((await service.get("/health")).status).toBe(200);
    const options = { authentication: "token", tokenFile } as const;
    await using bare = await startService(undefined, { server_url: shared.nats.url }, options);
    const stranger = await bare.get("/health?plugins");
    expect([stranger.status, stranger.body]).toMatchObject([500, { reasons: [] }]);
    const known = await bare.get("/health", { headers: { authorization: "Bearer plain-token" } });
    expect([known.status, known.body]).toMatchObject([500, { reasons: ["no policy is active"] }]);
    expect((await service.get("/healthy")).status).toBe(401);
    expect((await service.get("/health", { method: "POST" })).status).toBe(401);
  });

  it("reads the file again when it has changed; a token that was taken out is refused", async () => {
    await replaceFile(tokenFile, "new-token\n");
    await vi.waitFor(async () => expect((await ask(service, "new-token")).status).toBe(200), 5_000);
    expect((await ask(service, "plain-token")).status).toBe(401);
  });

  it("accepts no token while the file can't be read or understood, and recovers", async () => {
    await replaceFile(tokenFile, "three words here\n");
    await vi.waitFor(async () => expect((await ask(service, "new-token")).status).toBe(401), 5_000);
    await rm(tokenFile);
    expect((await ask(service, "new-token")).status).toBe(401);
    await replaceFile(tokenFile, "new-token\n");
    await vi.waitFor(async () => expect((await ask(service, "new-token")).status).toBe(200), 5_000);
  });

  it("does not start with a file that it can't use", async () => {
    for (const file of [join(folder, "none"), folder, join(folder, "bad")]) {
      await writeFile(join(folder, "bad"), "a b c\n");
      const started = startServer(service.bridge, {
        ...service.bridge.config.server,
        port: 0,
        authentication: "token",
        tokenFile: file,
      });
      await expect(started).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    }
  });
});

describe("authorization: basic", () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService(
      API,
      { server_url: shared.nats.url },
      { authentication: "token", authorization: "basic" },
    );
  });
  afterAll(() => service[Symbol.asyncDispose]());

  it("asks the policy, which sees identity, path, method and body", async () => {
    expect((await ask(service, "admin")).text).toBe('{"result":true}');
    expect((await ask(service, "alice", "/v1/data/api/echo")).status).toBe(200);
    for (const reply of [
      await ask(service),
      await ask(service, "bob"),
      await ask(service, "alice"),
      await ask(service, "alice", "/v1/data/api/echo/user"),
      await ask(service, "alice", "/v1/data/api%2Fecho"),
      await service.post("/v1/data/api/echo", '{"input":{"user":"bob"}}', {
        authorization: "Bearer alice",
      }),
      await service.get("/v1/data/api/echo", { headers: { authorization: "Bearer alice" } }),
      await service.get("/nowhere", { headers: { authorization: "Bearer alice" } }),
      await service.get("/v1/status"),
      await service.get("/v1/config"),
    ]) {
      expect([reply.status, reply.body]).toEqual([401, REJECTED]);
    }
  });

  it("sees one path, however it is written", async () => {
    for (const path of ["/v1/data/api/echo/", "/v1/data//api//echo", "/v1/data/%61pi/ech%6f"]) {
      expect([path, (await ask(service, "alice", path)).status]).toEqual([path, 200]);
    }
  });

  it("sees headers and parameters as OPA shows them", async () => {
    const headers = { "x-let-me-in": "please" };
    expect((await service.post("/v1/data/api/allow", "{}", headers)).status).toBe(200);
    expect((await service.get("/v1/data/api/allow?ticket=42")).status).toBe(200);
    expect((await service.get("/v1/data/api/allow?ticket=41&ticket=42")).status).toBe(401);
    expect((await service.get("/health")).status).toBe(200);
  });

  it("reads a body once, and says what is wrong with it to who asks", async () => {
    const authorization = "Bearer admin";
    const broken = await service.post("/v1/data/api/echo", "{", { authorization });
    expect([broken.status, broken.body]).toMatchObject([400, { code: "invalid_parameter" }]);
  });

  it("refuses everything where the policy is missing", async () => {
    await using without = await startService(
      BASIC,
      { server_url: shared.nats.url },
      { authorization: "basic" },
    );
    const reply = await without.get("/v1/data/basic/allow");
    expect([reply.status, reply.body]).toEqual([
      500,
      { code: "internal_error", message: "authorization policy missing or undefined" },
    ]);
  });
});

describe("authentication: tls", () => {
  let files: TlsFiles;
  let service: Service;
  beforeAll(async () => {
    files = await makeTlsFiles("admin");
    service = await startService(
      API,
      { server_url: shared.nats.url },
      {
        authentication: "tls",
        authorization: "basic",
        tls: {
          certFile: files.serverCertFile,
          keyFile: files.serverKeyFile,
          caFile: files.caFile,
        },
      },
    );
  });
  afterAll(async () => {
    await service[Symbol.asyncDispose]();
    await files[Symbol.asyncDispose]();
  });

  async function over(client: TlsFiles | undefined, path: string): Promise<[number, string]> {
    const certificate = client && {
      cert: await readFile(client.clientCertFile),
      key: await readFile(client.clientKeyFile),
    };
    return new Promise((resolve, reject) => {
      const asking = request(
        service.url + path,
        { ca: files.ca, ...certificate, agent: false },
        (answer) => {
          let text = "";
          answer.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
          answer.on("end", () => resolve([answer.statusCode!, text]));
        },
      );
      asking.on("error", reject);
      asking.end();
    });
  }

  it("lets in clients with a certificate of the authority, and tells the policy their subject", async () => {
    expect(service.url).toMatch(/^https:/);
    expect(await over(files, "/v1/data/api/allow?ticket=42")).toEqual([200, '{"result":false}']);
    // Its subject is CN=admin, which is not the name that the policy knows.
    expect((await over(files, "/v1/data/api/allow"))[0]).toBe(401);
  });

  it("does not even shake hands with others", async () => {
    await expect(over(undefined, "/health")).rejects.toThrow(/alert|reset|hang up|certificate/i);
    await using foreign = await makeTlsFiles("admin");
    await expect(over(foreign, "/health")).rejects.toThrow(/alert|reset|hang up|certificate/i);
    await expect(fetch(service.url.replace("https", "http"))).rejects.toThrow("fetch failed");
  });
});
