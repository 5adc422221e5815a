// Must come first: the certificates' library needs it when it's loaded.
import "reflect-metadata";
import {
  createAccount,
  createOperator,
  createUser,
  encodeAccount,
  encodeOperator,
  encodeUser,
  fmtCreds,
  type KeyPair,
} from "@nats-io/jwt";
import * as x509 from "@peculiar/x509";
import { webcrypto } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { removeAtExit } from "./exit.ts";

/** PEM files made for one test: an authority, and what it signed. */
export interface TlsFiles extends AsyncDisposable {
  dir: string;
  caFile: string;
  /** For localhost and 127.0.0.1. */
  serverCertFile: string;
  serverKeyFile: string;
  clientCertFile: string;
  clientKeyFile: string;
  /** The authority's certificate, as text. */
  ca: string;
}

const LOCAL_HOSTS = [
  { type: "dns", value: "localhost" },
  { type: "ip", value: "127.0.0.1" },
] as const;
const HOUR_MS = 3_600_000;
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const SIGNING = { name: "ECDSA", hash: "SHA-256" } as const;

/**
 * Makes an authority, a server's certificate and a client's, valid for a day or to the time given, in a new directory
 * that is removed on disposal. `clientName` is the common name of the client's certificate; the server's is for `hosts`.
 */
export async function makeTlsFiles(
  clientName = "client",
  hosts: readonly { type: "dns" | "ip"; value: string }[] = LOCAL_HOSTS,
  notAfter: Date = new Date(Date.now() + 24 * HOUR_MS),
): Promise<TlsFiles> {
  const dir = await mkdtemp(join(tmpdir(), "nats-opa-bridge-tls-"));
  removeAtExit.add(dir);
  const validity = {
    notBefore: new Date(Date.now() - HOUR_MS),
    notAfter,
  };
  const caKeys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity,
    // Of two with the same name, only one would be found.
    name: `CN=Test authority ${basename(dir)}`,
    keys: caKeys,
    signingAlgorithm: SIGNING,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
    ],
  });
  const write = async (name: string, text: string): Promise<string> => {
    const file = join(dir, name);
    await writeFile(file, `${text.trimEnd()}\n`, { mode: 0o600 });
    return file;
  };
  const certify = async (
    name: string,
    file: string,
    usage: x509.ExtendedKeyUsage,
  ): Promise<{ cert: string; key: string }> => {
    const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
    const certificate = await x509.X509CertificateGenerator.create({
      ...validity,
      subject: `CN=${name}`,
      issuer: ca.subject,
      publicKey: keys.publicKey,
      signingKey: caKeys.privateKey,
      signingAlgorithm: SIGNING,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([usage]),
        new x509.SubjectAlternativeNameExtension([...hosts]),
      ],
    });
    const pkcs8 = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
    return {
      cert: await write(`${file}.pem`, certificate.toString("pem")),
      key: await write(`${file}-key.pem`, x509.PemConverter.encode(pkcs8, "PRIVATE KEY")),
    };
  };
  const server = await certify("localhost", "server", x509.ExtendedKeyUsage.serverAuth);
  const client = await certify(clientName, "client", x509.ExtendedKeyUsage.clientAuth);
  const caText = ca.toString("pem");
  return {
    dir,
    caFile: await write("ca.pem", caText),
    serverCertFile: server.cert,
    serverKeyFile: server.key,
    clientCertFile: client.cert,
    clientKeyFile: client.key,
    ca: caText,
    async [Symbol.asyncDispose]() {
      await rm(dir, { recursive: true, force: true });
      removeAtExit.delete(dir);
    },
  };
}

/** A user's permissions: subjects that may be published or subscribed to. */
export interface UserPermissions {
  pub?: { allow?: string[]; deny?: string[] };
  sub?: { allow?: string[]; deny?: string[] };
}

/** What a user of an account in operator mode connects with. */
export interface UserCredentials {
  /** The text of a `.creds` file. */
  creds: string;
  jwt: string;
  /** The user's nkey seed. */
  seed: string;
  publicKey: string;
}

/** An operator with one account for applications. Made by {@link makeOperator}. */
export interface OperatorSetup {
  /** Text for a server's configuration. */
  config: string;
  accountPublicKey: string;
  /** Makes a user of the account, allowed everything unless told otherwise. */
  addUser(name: string, permissions?: UserPermissions, expires?: Date): Promise<UserCredentials>;
}

const UNLIMITED = {
  subs: -1,
  data: -1,
  payload: -1,
  imports: -1,
  exports: -1,
  wildcards: true,
  conn: -1,
  leaf: -1,
} as const;

const JETSTREAM_UNLIMITED = {
  mem_storage: -1,
  disk_storage: -1,
  streams: -1,
  consumer: -1,
  max_ack_pending: -1,
  mem_max_stream_bytes: -1,
  disk_max_stream_bytes: -1,
  max_bytes_required: false,
} as const;

const decoder = new TextDecoder();
const seedOf = (keys: KeyPair): string => decoder.decode(keys.getSeed());

/** Makes an operator, a system account, and an account with JetStream without limits, for one test. */
export async function makeOperator(): Promise<OperatorSetup> {
  const operatorKeys = createOperator();
  const systemKeys = createAccount();
  const accountKeys = createAccount();
  const signer = { signer: operatorKeys };
  const system = systemKeys.getPublicKey();
  const account = accountKeys.getPublicKey();
  const operatorJwt = await encodeOperator("test", operatorKeys, { system_account: system });
  const systemJwt = await encodeAccount("SYS", systemKeys, { limits: UNLIMITED }, signer);
  const limits = { ...UNLIMITED, ...JETSTREAM_UNLIMITED };
  const accountJwt = await encodeAccount("APP", accountKeys, { limits }, signer);
  return {
    config: [
      `operator: ${operatorJwt}`,
      `system_account: ${system}`,
      "resolver: MEMORY",
      `resolver_preload: { ${system}: ${systemJwt}, ${account}: ${accountJwt} }`,
    ].join("\n"),
    accountPublicKey: account,
    async addUser(name, permissions = {}, expires) {
      const keys = createUser();
      const options = expires === undefined ? {} : { exp: Math.floor(expires.getTime() / 1_000) };
      const jwt = await encodeUser(name, keys, accountKeys, permissions, options);
      return {
        creds: decoder.decode(fmtCreds(jwt, keys)),
        jwt,
        seed: seedOf(keys),
        publicKey: keys.getPublicKey(),
      };
    },
  };
}
