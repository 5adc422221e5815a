import { spawn } from "node:child_process";
import { createPrivateKey } from "node:crypto";
import { copyFile, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { ServiceOptions } from "../../../src/config/decision-log-options.ts";
import { type BundleServer, startBundleServer } from "../../support/bundle-server.ts";
import { makeTlsFiles, type TlsFiles } from "../../support/credentials.ts";
import { endAtExit } from "../../support/exit.ts";
import { opaForTests } from "../../support/opa-server.ts";
import { freePort } from "../../support/ports.ts";
import { type Followed, follow, TEAMS } from "./kit.ts";

const SOON = { timeout: 15_000, interval: 20 };
const POLLING = { min_delay_seconds: 1, max_delay_seconds: 1 };
const SECRET = "pass-s3cret";

const opa = await opaForTests();

let folder: string;
/** The authority of the service and of one client; another one, whose clients it knows; one that it doesn't know. */
let [own, other, stranger]: TlsFiles[] = [];
let server: BundleServer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "mutual-"));
  [own, other, stranger] = await Promise.all(["one", "two", "three"].map((n) => makeTlsFiles(n)));
  server = await startBundleServer({
    cert: await readFile(own!.serverCertFile, "utf8"),
    key: await readFile(own!.serverKeyFile, "utf8"),
    ca: own!.ca + "\n" + other!.ca,
  });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await Promise.all([own!, other!, stranger!].map((files) => files[Symbol.asyncDispose]()));
  await rm(folder, { recursive: true });
});
beforeEach(async () => {
  server.put(await readFile(TEAMS));
  server.requests.length = 0;
  server.clients.length = 0;
});

type ClientTls = NonNullable<NonNullable<ServiceOptions["credentials"]>["client_tls"]>;

function certificateOf(files: TlsFiles): ClientTls {
  return { cert: files.clientCertFile, private_key: files.clientKeyFile };
}

function followService(
  clientTls: ClientTls | undefined,
  more: Partial<ServiceOptions> = { tls: { ca_cert: own!.caFile } },
): Followed {
  const credentials = clientTls && { client_tls: clientTls };
  return follow({
    services: { acme: { url: server.url, ...(credentials && { credentials }), ...more } },
    bundles: { teams: { polling: POLLING } },
  });
}

/** Why the first attempt has failed; nothing secret is to be seen anywhere. */
async function refusal(followed: Followed): Promise<string> {
  const error: unknown = await followed.started.all.catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "BUNDLE_DOWNLOAD" });
  const { message } = error as Error;
  const seen = [message, ...followed.logged, JSON.stringify(followed.manager.status())].join("\n");
  expect(seen).not.toMatch(/s3cret|PRIVATE KEY/);
  expect(followed.manager.status()["teams"]).toMatchObject({ code: "bundle_error", message });
  await followed.manager.stop();
  return message;
}

describe("a bundle of a service that wants to know its clients", () => {
  it("is had with a certificate that the service accepts", async () => {
    await using followed = followService(certificateOf(own!));
    await followed.started.all;
    expect(followed.revision("teams")).toBe("teams-1");
    expect(server.clients).toEqual(["one"]);
  });

  it("is not had with none, or with a stranger's, and the message names the key that helps", async () => {
    await using nobody = followService(undefined);
    expect(await refusal(nobody)).toMatch(
      /; the service wants a client's certificate; give services\.acme\.credentials\.client_tls\.$/,
    );
    // Here the service just hangs up.
    await using unknown = followService(certificateOf(stranger!));
    expect(await refusal(unknown)).toMatch(
      /; check the service, and that it accepts the certificate of services\.acme\.credentials\.client_tls\.$/,
    );
    expect(server.requests).toEqual([]);
  });

  it.skipIf(opa === undefined)(
    "is refused by a Go service in words, which are passed on",
    async () => {
      const port = await freePort();
      const addr = `127.0.0.1:${port}`;
      const args = ["--tls-cert-file", own!.serverCertFile, "--tls-private-key-file"];
      args.push(own!.serverKeyFile, "--tls-ca-cert-file", own!.caFile, "--authentication", "tls");
      const child = spawn(
        opa!,
        ["run", "--server", "--addr", addr, "--disable-telemetry", ...args],
        {
          stdio: "ignore",
        },
      );
      endAtExit.add(child);
      try {
        await vi.waitFor(() => knock(port), SOON);
        const url = `https://${addr}`;
        const tls = { ca_cert: own!.caFile };
        await using nobody = followService(undefined, { url, tls });
        expect(await refusal(nobody)).toMatch(
          /\(.*alert.* certificate.*\); the service wants a client's certificate; give services\.acme\.credentials\.client_tls\.$/,
        );
        await using unknown = followService(certificateOf(stranger!), { url, tls });
        expect(await refusal(unknown)).toMatch(
          /\(.*alert.*\); the service does not accept the certificate of services\.acme\.credentials\.client_tls; give one that it does\.$/,
        );
        // Let in; there are no bundles.
        await using known = followService(certificateOf(own!), { url, tls });
        expect(await refusal(known)).toContain("it answered 404");
      } finally {
        child.kill();
        endAtExit.delete(child);
      }
    },
  );

  it("is not asked for where the service has another authority; the message names the key that helps", async () => {
    const certificate = certificateOf(own!);
    for (const tls of [
      {},
      { ca_cert: stranger!.caFile },
      { ca_cert: stranger!.caFile, system_ca_required: true },
    ]) {
      await using followed = followService(certificate, { tls });
      expect(await refusal(followed)).toMatch(
        /certificate.*\); give the authority of the service's certificate as services\.acme\.tls\.ca_cert\.$/,
      );
    }
    expect(server.requests).toEqual([]);
    for (const more of [
      { tls: { ca_cert: own!.caFile, system_ca_required: true } },
      { tls: { ca_cert: stranger!.caFile }, allow_insecure_tls: true },
    ]) {
      await using followed = followService(certificate, more);
      await followed.started.all;
    }
    // OPA's older place of it.
    await using older = followService({ ...certificate, ca_cert: own!.caFile }, {});
    await older.started.all;
    await using newer = followService(
      { ...certificate, ca_cert: own!.caFile },
      { tls: { ca_cert: stranger!.caFile } },
    );
    expect(await refusal(newer)).toContain("services.acme.tls.ca_cert");
  });

  it("is not asked for where the service's certificate is for another host", async () => {
    await using files = await makeTlsFiles("client", [{ type: "dns", value: "elsewhere.example" }]);
    await using elsewhere = await startBundleServer({
      cert: await readFile(files.serverCertFile, "utf8"),
      key: await readFile(files.serverKeyFile, "utf8"),
      ca: own!.ca,
    });
    await using followed = followService(certificateOf(own!), {
      url: elsewhere.url,
      tls: { ca_cert: files.caFile },
    });
    expect(await refusal(followed)).toMatch(
      /; ask for a host that .* names, in services\.acme\.url/,
    );
  });

  it("is not asked for where the service's certificate is over, or there is no TLS at all", async () => {
    await using files = await makeTlsFiles("client", undefined, new Date(Date.now() - 1_000));
    await using past = await startBundleServer({
      cert: await readFile(files.serverCertFile, "utf8"),
      key: await readFile(files.serverKeyFile, "utf8"),
      ca: own!.ca,
    });
    const tls = { ca_cert: files.caFile };
    await using late = followService(certificateOf(own!), { url: past.url, tls });
    expect(await refusal(late)).toMatch(/expired.*\); renew the service's certificate, or set the/);
    await using plain = await startBundleServer();
    const url = plain.url.replace("http:", "https:");
    await using deaf = followService(certificateOf(own!), { url, tls });
    expect(await refusal(deaf)).toMatch(
      /; check that the service speaks TLS there, or correct .*url/,
    );
  });

  it("is had with an encrypted key, of either kind, and its passphrase only", async () => {
    const key = createPrivateKey(await readFile(own!.clientKeyFile));
    const cipher = "aes-256-cbc";
    for (const type of ["pkcs8", "sec1"] as const) {
      const file = join(folder, `${type}.pem`);
      await writeFile(file, key.export({ type, format: "pem", cipher, passphrase: SECRET }));
      const encrypted = { cert: own!.clientCertFile, private_key: file };
      await using followed = followService({ ...encrypted, private_key_passphrase: SECRET });
      await followed.started.all;
      for (const more of [{}, { private_key_passphrase: "wrong-s3cret" }]) {
        await using refused = followService({ ...encrypted, ...more });
        expect(await refusal(refused)).toMatch(
          /"[^"]*\.pem" does not hold the key of "[^"]*client\.pem".*; check services\.acme\.credentials\.client_tls\.private_key and private_key_passphrase\.$/,
        );
      }
    }
  });

  it.each<[string, () => ClientTls, () => string | undefined, RegExp]>([
    [
      "a key of another",
      () => ({ ...certificateOf(own!), private_key: other!.clientKeyFile }),
      () => undefined,
      /client-key\.pem" does not hold the key of .*client_tls\.private_key/,
    ],
    [
      "a key for a certificate",
      () => ({ ...certificateOf(own!), cert: own!.clientKeyFile }),
      () => undefined,
      /client-key\.pem" does not hold a certificate .*client_tls\.cert/,
    ],
    [
      "no certificate",
      () => ({ ...certificateOf(own!), cert: "/nowhere.pem" }),
      () => undefined,
      /"\/nowhere\.pem" can't be read \(ENOENT\)\); check the path/,
    ],
    [
      "a key for an authority",
      () => certificateOf(own!),
      () => own!.serverKeyFile,
      /server-key\.pem" does not hold a certificate .*services\.acme\.tls\.ca_cert/,
    ],
  ])("is not asked for with %s", async (_, clientTls, ca, message) => {
    await using followed = followService(clientTls(), { tls: { ca_cert: ca() ?? own!.caFile } });
    expect(await refusal(followed)).toMatch(message);
  });
});

describe("certificates for a service that are replaced", () => {
  it("are shown from the next request on, without one that fails", async () => {
    // A file with both is replaced at once.
    const file = join(folder, "both.pem");
    await writeFile(file, await bothOf(own!));
    await using followed = followService({ cert: file, private_key: file });
    await followed.started.all;
    await writeFile(`${file}.new`, await bothOf(other!));
    const { length } = server.requests;
    await vi.waitFor(() => expect(server.requests.length).toBeGreaterThan(length), SOON);
    // The next one is a second away.
    await rename(`${file}.new`, file);
    await vi.waitFor(() => expect(server.clients).toContain("two"), SOON);
    const { failures, activations } = followed.manager.status()["teams"]!;
    expect({ failures, activations }).toEqual({ failures: 0, activations: 1 });
    const names = server.clients;
    expect(names.indexOf("two")).toBeGreaterThan(names.lastIndexOf("one"));
  });

  it("and are no good are refused, with the reason, until they are put right; what was active goes on", async () => {
    const ca = join(folder, "ca.pem");
    await copyFile(own!.caFile, ca);
    await using followed = followService(certificateOf(own!), { tls: { ca_cert: ca } });
    await followed.started.all;
    await copyFile(stranger!.caFile, ca);
    await vi.waitFor(() => {
      expect(followed.manager.status()["teams"]).toMatchObject({
        active_revision: "teams-1",
        message: expect.stringContaining("services.acme.tls.ca_cert") as string,
      });
    }, SOON);
    expect(await followed.allows("alice")).toBe(true);
    await copyFile(own!.caFile, ca);
    await vi.waitFor(() => expect(followed.manager.status()["teams"]?.code).toBeUndefined(), SOON);
    expect(followed.manager.status()["teams"]).toMatchObject({ activations: 1 });
  });
});

async function bothOf({ clientCertFile, clientKeyFile }: TlsFiles): Promise<string> {
  const texts = await Promise.all([clientCertFile, clientKeyFile].map((f) => readFile(f, "utf8")));
  return texts.join("\n");
}

function knock(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve();
    });
    socket.once("error", reject);
  });
}
