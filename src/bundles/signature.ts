import {
  createHash,
  createPublicKey,
  createSecretKey,
  type KeyObject,
  X509Certificate,
} from "node:crypto";
import { readFile } from "node:fs/promises";
import { type Slices, slices as processSlices } from "../common/slices.ts";
import { textOf } from "../common/utf8.ts";
import type { BundleConfig, BundleKeyConfig } from "../config/types.ts";
import { BridgeError, messageOf, quote } from "../errors.ts";
import { verifies } from "../policy/builtins/jwt-algorithms.ts";
import { BaseData } from "../policy/base-data.ts";
import { yamlToJson } from "../policy/bundle.ts";
import type { BundleFiles } from "../policy/bundle-files.ts";
import { canonicalPieces } from "./canonical.ts";
import { matchesPath } from "./path-pattern.ts";

const SIGNATURES = ".signatures.json";

/** The plugin by which `opa build` says that there is none. */
const OPAS_OWN = "_default";

/** OPA's names of hash algorithms, and Node's. */
const HASHES: ReadonlyMap<unknown, string> = new Map([
  ["MD5", "md5"],
  ["SHA-1", "sha1"],
  ["SHA-224", "sha224"],
  ["SHA-256", "sha256"],
  ["SHA-384", "sha384"],
  ["SHA-512", "sha512"],
  ["SHA-512-224", "sha512-224"],
  ["SHA-512-256", "sha512-256"],
]);

export interface SignatureRules {
  readonly signing: BundleConfig["signing"];
  readonly keys: ReadonlyMap<string, BundleKeyConfig>;
  readonly slices?: Slices;
}

/** What is wrong with a signature; {@link verifySignature} makes it a `BUNDLE_SIGNATURE`. */
class Mismatch extends Error {}

interface SignedFile {
  readonly hash: string;
  readonly algorithm: string;
}

/**
 * Checks a bundle's signature as OPA defines it: one JSON Web Token in `.signatures.json` that names exactly the
 * bundle's files, each with its hash. Unsigned bundles pass where none is asked for, and signed ones where one is.
 *
 * Rejects with `BUNDLE_SIGNATURE`.
 */
export async function verifySignature(
  files: BundleFiles,
  bundle: string,
  { signing, keys, slices = processSlices }: SignatureRules,
): Promise<void> {
  try {
    const token = tokenOf(files.get(SIGNATURES));
    if (signing === undefined) {
      if (token === undefined) return;
      throw new Mismatch(`it is signed, and nothing says by whom; give bundles.${bundle}.signing`);
    }
    if (token === undefined) throw new Mismatch(`it has no ${SIGNATURES}; sign it with opa sign`);
    const signed = await verifyToken(token, signing, keys);
    for (const [path, content] of files) {
      if (path === SIGNATURES) continue;
      const isExcluded = signing.excludeFiles.some((pattern) => matchesPath(pattern, path));
      if (!isExcluded) await verifyFile(path, content, signed.get(path), slices);
      signed.delete(path);
    }
    const [missing] = signed.keys();
    if (missing !== undefined) {
      throw new Mismatch(`${quote(missing)} is signed, and is not in the bundle; sign it anew`);
    }
  } catch (error) {
    if (!(error instanceof Mismatch)) throw error;
    throw new BridgeError(
      "BUNDLE_SIGNATURE",
      `The bundle ${quote(bundle)} can't be trusted: ${error.message}.`,
      { cause: error },
    );
  }
}

/** The one token; undefined where the bundle is not signed. */
function tokenOf(content: Buffer | undefined): string | undefined {
  if (content === undefined) return undefined;
  const document = parsed(content.toString("utf8"), SIGNATURES);
  const { signatures, plugin } = document as { signatures?: unknown; plugin?: unknown };
  if (signatures === undefined && plugin === undefined) return undefined;
  if (plugin !== undefined && plugin !== "" && plugin !== OPAS_OWN) {
    throw new Mismatch(`its signature is for the plugin ${quote(plugin)}; sign it without`);
  }
  const [token, ...others] = Array.isArray(signatures) ? (signatures as unknown[]) : [];
  if (typeof token === "string" && others.length === 0) return token;
  throw new Mismatch(`${SIGNATURES} must hold exactly one token; sign it anew`);
}

async function verifyToken(
  token: string,
  signing: NonNullable<BundleConfig["signing"]>,
  keys: SignatureRules["keys"],
): Promise<Map<string, SignedFile>> {
  const [header = "", payload = "", signature = "", ...rest] = token.split(".");
  if (signature === "" || rest.length > 0) throw new Mismatch("its signature is no token");
  const claims = parsed(decoded(payload), "the signature's payload");
  const { kid } = parsed(decoded(header), "the signature's header") as { kid?: unknown };
  const { keyid, scope = "", files } = claims as Readonly<Record<string, unknown>>;
  const name = [signing.keyid, kid, keyid].find(
    (id): id is string => typeof id === "string" && id !== "",
  );
  if (name === undefined) {
    throw new Mismatch("its signature names no key; give signing.keyid");
  }
  const key = keys.get(name);
  if (key === undefined) {
    throw new Mismatch(`its signature is by the key ${quote(name)}, which keys doesn't have`);
  }
  // The algorithm is the key's, whatever the token says of itself.
  const keyObject = await keyObjectOf(key, name);
  const isGenuine = verifies(
    key.algorithm,
    keyObject,
    `${header}.${payload}`,
    Buffer.from(signature, "base64url"),
  );
  if (!isGenuine) {
    throw new Mismatch(`its signature is not one by the key ${quote(name)} with ${key.algorithm}`);
  }
  if (scope !== (signing.scope ?? key.scope)) {
    throw new Mismatch(
      `its scope is ${quote(scope)}, and not ${quote(signing.scope ?? key.scope)}`,
    );
  }
  return signedFiles(files);
}

function signedFiles(files: unknown): Map<string, SignedFile> {
  const signed = new Map<string, SignedFile>();
  for (const file of Array.isArray(files) ? (files as unknown[]) : []) {
    const { name, hash, algorithm } = (file ?? {}) as Readonly<Record<string, unknown>>;
    if (typeof name !== "string" || typeof hash !== "string" || typeof algorithm !== "string") {
      throw new Mismatch("its signature has a file without name, hash or algorithm; sign it anew");
    }
    const path = name.replace(/^\/+/, "");
    if (signed.has(path)) throw new Mismatch(`its signature has ${quote(path)} twice`);
    signed.set(path, { hash, algorithm });
  }
  return signed;
}

async function verifyFile(
  path: string,
  content: Buffer,
  signed: SignedFile | undefined,
  slices: Slices,
): Promise<void> {
  if (signed === undefined) throw new Mismatch(`${quote(path)} is not signed; sign it anew`);
  const algorithm = HASHES.get(signed.algorithm);
  if (algorithm === undefined) {
    throw new Mismatch(`${quote(path)} has the unknown hash algorithm ${quote(signed.algorithm)}`);
  }
  const hash = createHash(algorithm);
  const name = path.split("/").at(-1)!;
  if (/^(?:data\.(?:json|ya?ml)|\.manifest)$/.test(name)) {
    const pieces = canonicalPieces(await documentOf(path, content, slices));
    await slices.run((end) => {
      do {
        const next = pieces.next();
        if (next.done === true) return true;
        hash.update(next.value);
      } while (performance.now() < end);
      return false;
    });
  } else hash.update(content);
  if (hash.digest("hex") !== signed.hash.toLowerCase()) {
    throw new Mismatch(`${quote(path)} is not the file that was signed`);
  }
}

async function documentOf(path: string, content: Buffer, slices: Slices): Promise<BaseData> {
  try {
    const isYaml = /\.ya?ml$/.test(path);
    return await BaseData.parse(isYaml ? yamlToJson(textOf(content)) : content, slices);
  } catch (error) {
    throw new Mismatch(`${quote(path)} can't be read (${messageOf(error)})`);
  }
}

async function keyObjectOf({ algorithm, key }: BundleKeyConfig, name: string): Promise<KeyObject> {
  const text = "value" in key ? key.value.reveal() : await contentOf(key.file, name);
  try {
    if (algorithm.startsWith("HS")) return createSecretKey(Buffer.from(text));
    if (text.includes("BEGIN CERTIFICATE")) return new X509Certificate(text).publicKey;
    return createPublicKey(text);
  } catch {
    throw new Mismatch(
      `the key ${quote(name)} is not one for ${algorithm}; give a public key (PEM)`,
    );
  }
}

async function contentOf(file: string, name: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Mismatch(
      `the file ${quote(file)} of the key ${quote(name)} can't be read (${code ?? "?"})`,
    );
  }
}

function decoded(part: string): string {
  return Buffer.from(part, "base64url").toString("utf8");
}

function parsed(text: string, what: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // Said below.
  }
  throw new Mismatch(`${what} is not a JSON object; sign it anew`);
}
