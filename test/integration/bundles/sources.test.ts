import { cp, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { unpackBundle } from "../../../src/policy/bundle-files.ts";
import { startBundleServer } from "../../support/bundle-server.ts";
import { bundleWith, packBundle, revised } from "../../support/pack-bundle.ts";
import { DOCS, follow, TEAMS } from "./kit.ts";

let folder: string;
let good: Buffer;
let next: Buffer;
let bad: Buffer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sources-"));
  good = await readFile(TEAMS);
  next = await revised(TEAMS, "teams-2");
  bad = await bundleWith(TEAMS, { ".manifest": "{" });
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

const SOON = { timeout: 4_000, interval: 20 };

describe("a bundle file", () => {
  it("P5 is activated again when it is replaced; a bad one leaves the old one serving, with the reason", async () => {
    const file = join(folder, "b.tar.gz");
    await writeFile(file, good);
    await using followed = follow({ bundles: { teams: { file } } });
    await followed.started.all;
    expect(followed.manager.status()["teams"]).toMatchObject({
      active_revision: "teams-1",
      active_from: "source",
      activations: 1,
      failures: 0,
    });
    await writeFile(file, bad);
    await vi.waitFor(() => {
      expect(followed.manager.status()["teams"]).toMatchObject({
        active_revision: "teams-1",
        code: "bundle_error",
        message: expect.stringContaining(".manifest is not JSON") as string,
        errors: [{ code: "BUNDLE_INVALID" }],
        failures: 1,
      });
    }, SOON);
    expect(await followed.allows("alice")).toBe(true);
    expect(followed.logged.filter((line) => line.startsWith("warn"))).toHaveLength(1);
    await writeFile(`${file}.new`, next);
    await rename(`${file}.new`, file);
    await vi.waitFor(() => expect(followed.revision("teams")).toBe("teams-2"), SOON);
    expect(followed.manager.status()["teams"]?.code).toBeUndefined();
    await rm(file);
    await vi.waitFor(() => {
      expect(followed.manager.status()["teams"]?.errors?.[0]?.code).toBe("BUNDLE_UNREADABLE");
    }, SOON);
    expect(await followed.allows("alice")).toBe(true);
  });

  it("may be a folder, with links that are turned as of mounted volumes", async () => {
    const volume = join(folder, "volume");
    for (const [version, bytes] of [
      ["one", good],
      ["two", next],
    ] as const) {
      for (const [path, content] of await unpackBundle(bytes, "b")) {
        await mkdir(join(volume, `..${version}`, path, ".."), { recursive: true });
        await writeFile(join(volume, `..${version}`, path), content);
      }
    }
    await symlink("..one", join(volume, "..data"));
    for (const name of [".manifest", "data.json", "policy.wasm", "teams"]) {
      await symlink(`..data/${name}`, join(volume, name));
    }
    await using followed = follow({ bundles: { teams: { file: volume } } });
    await followed.started.all;
    expect(followed.revision("teams")).toBe("teams-1");
    await symlink("..two", join(volume, "..new"));
    await rename(join(volume, "..new"), join(volume, "..data"));
    await vi.waitFor(() => expect(followed.revision("teams")).toBe("teams-2"), SOON);
    expect(await followed.allows("alice")).toBe(true);
  });

  it("that is not there, too large, or in another's roots is refused at the start", async () => {
    const file = join(folder, "start.tar.gz");
    await cp(TEAMS, file);
    await using missing = follow({ bundles: { teams: { file: join(folder, "nowhere") } } });
    await expect(missing.started.local).rejects.toMatchObject({ code: "BUNDLE_UNREADABLE" });
    await using large = follow({ bundles: { teams: { file, size_limit_bytes: 1_000 } } });
    await expect(large.started.local).rejects.toMatchObject({ code: "BUNDLE_INVALID" });
    await using twice = follow({ bundles: { one: { file }, two: { file } } });
    await expect(twice.started.local).rejects.toMatchObject({
      code: "BUNDLE_ROOTS",
      message: expect.stringMatching(/"two".*"one"|"one".*"two"/) as string,
    });
  });

  it("P5 that was in another bundle's way is tried again when that one has changed", async () => {
    const [a, b] = [join(folder, "a.tar.gz"), join(folder, "b2.tar.gz")];
    await writeFile(a, good);
    const data = (roots: string[], text: string): Promise<Buffer> =>
      packBundle([
        [".manifest", JSON.stringify({ revision: "d", roots })],
        ["data.json", text],
      ]);
    await writeFile(b, await data(["labels"], "{}"));
    await using followed = follow({ bundles: { a: { file: a }, b: { file: b } } });
    await followed.started.all;
    await writeFile(b, await data(["docs"], '{"docs":{"x":1}}'));
    await vi.waitFor(
      () => expect(followed.engine.policy?.bundles.get("b")?.roots).toEqual(["docs"]),
      SOON,
    );
    await writeFile(a, await readFile(DOCS));
    await vi.waitFor(() => expect(followed.manager.status()["a"]?.code).toBe("bundle_error"), SOON);
    await writeFile(b, await data(["labels"], "{}"));
    await vi.waitFor(() => expect(followed.revision("a")).toBe("docs-1"), SOON);
    expect(followed.manager.status()["a"]?.code).toBeUndefined();
  });
});

describe("a bundle of a service", () => {
  const polling = { min_delay_seconds: 1, max_delay_seconds: 1 };

  it("C5 is asked for by OPA's protocol: headers, ETag, 304, and a new one takes over", async () => {
    await using server = await startBundleServer();
    server.put(good);
    await using followed = follow({
      services: {
        acme: {
          url: `${server.url}/api/`,
          headers: { "x-tenant": "t" },
          credentials: { bearer: { token: "s3cret" } },
        },
      },
      bundles: { teams: { service: "acme", resource: "/some/teams.tar.gz", polling } },
    });
    await followed.started.all;
    const [first] = server.requests;
    expect(first).toMatchObject({
      url: "/api/some/teams.tar.gz",
      headers: { authorization: "Bearer s3cret", "x-tenant": "t", prefer: "modes=snapshot" },
    });
    expect(first!.headers["if-none-match"]).toBeUndefined();
    await vi.waitFor(() => expect(server.requests.length).toBeGreaterThan(1), SOON);
    expect(server.requests[1]!.headers["if-none-match"]).toMatch(/^"[0-9a-f]{64}"$/);
    const before = followed.manager.status()["teams"]!;
    await vi.waitFor(() => expect(server.requests.length).toBeGreaterThan(2), SOON);
    // What has been answered with 304 is no failure.
    expect(followed.manager.status()["teams"]).toMatchObject({ failures: 0, activations: 1 });
    expect(before).toMatchObject({ active_revision: "teams-1", activations: 1, size: good.length });
    server.put(next);
    await vi.waitFor(() => expect(followed.revision("teams")).toBe("teams-2"), SOON);
    expect(
      JSON.stringify(followed.logged) + JSON.stringify(followed.manager.status()),
    ).not.toContain("s3cret");
  });

  it("answers long polls as soon as there is something new", async () => {
    await using server = await startBundleServer();
    server.longPolling = true;
    server.put(good);
    await using followed = follow({
      services: { acme: { url: server.url } },
      bundles: {
        teams: {
          polling: {
            min_delay_seconds: 600,
            max_delay_seconds: 600,
            long_polling_timeout_seconds: 30,
          },
        },
      },
    });
    await followed.started.all;
    await vi.waitFor(() => expect(server.requests).toHaveLength(2), SOON);
    expect(server.requests[1]).toMatchObject({
      url: "/bundles/teams",
      headers: { prefer: "modes=snapshot;wait=30" },
    });
    server.put(bad);
    await vi.waitFor(
      () => expect(followed.manager.status()["teams"]?.code).toBe("bundle_error"),
      SOON,
    );
    await vi.waitFor(() => expect(server.requests).toHaveLength(3), SOON);
    server.put(next);
    await vi.waitFor(() => expect(followed.revision("teams")).toBe("teams-2"), SOON);
    expect(server.requests.length).toBeLessThan(6);
  });

  it("says what the service answers, backs off, and goes on with what it has", async () => {
    await using server = await startBundleServer();
    await using followed = follow({
      services: { acme: { url: server.url, response_header_timeout_seconds: 1 } },
      bundles: { teams: { polling } },
    });
    await expect(followed.started.all).rejects.toMatchObject({ code: "BUNDLE_DOWNLOAD" });
    expect(followed.manager.status()["teams"]).toMatchObject({
      http_code: "404",
      errors: [
        { code: "BUNDLE_DOWNLOAD", message: expect.stringContaining("it answered 404") as string },
      ],
    });
    expect(followed.manager.waiting).toEqual(["teams"]);
    server.put(good);
    await vi.waitFor(() => expect(followed.revision("teams")).toBe("teams-1"), SOON);
    expect(followed.manager.waiting).toEqual([]);
    // Headers, and nothing more.
    server.answer = (_request, response) => void response.writeHead(200).write("x");
    await vi.waitFor(
      () => {
        expect(followed.manager.status()["teams"]?.message).toContain("did not answer in time");
      },
      { timeout: 4_500, interval: 50 },
    );
    expect(await followed.allows("alice")).toBe(true);
  });

  it("takes no more than it may, packed or unpacked", async () => {
    await using server = await startBundleServer();
    let sent = 0;
    server.answer = (_request, response) => {
      response.writeHead(200);
      const piece = Buffer.alloc(65_536);
      const more = (): void => {
        while (!response.destroyed) {
          sent += piece.length;
          if (!response.write(piece)) break;
        }
      };
      response.on("drain", more);
      more();
    };
    const bundles = { teams: { size_limit_bytes: "1MiB", polling } };
    const services = { acme: { url: server.url } };
    await using endless = follow({ services, bundles });
    await expect(endless.started.all).rejects.toMatchObject({
      code: "BUNDLE_INVALID",
      message: expect.stringContaining("1048576 bytes") as string,
    });
    expect(sent).toBeLessThan(32 * 2 ** 20);
    const bomb = gzipSync(Buffer.alloc(64 * 2 ** 20));
    server.answer = (_request, response) => void response.end(bomb);
    await using packed = follow({ services, bundles });
    await expect(packed.started.all).rejects.toMatchObject({ code: "BUNDLE_INVALID" });
  });

  it("is checked by its signature before anything else of it counts", async () => {
    await using server = await startBundleServer();
    const signed = await readFile("test/policies/signed/ES256.tar.gz");
    server.put(signed);
    await using followed = follow({
      services: { acme: { url: server.url } },
      keys: {
        test: { key_file: "test/policies/signed/ES256.pem", algorithm: "ES256", scope: "write" },
      },
      bundles: { teams: { polling, signing: {} } },
    });
    await followed.started.all;
    expect(followed.revision("teams")).toBe("signed-ES256");
    server.put(good);
    await vi.waitFor(() => {
      expect(followed.manager.status()["teams"]?.errors).toMatchObject([
        { code: "BUNDLE_SIGNATURE" },
      ]);
    }, SOON);
    expect(followed.revision("teams")).toBe("signed-ES256");
  });
});
