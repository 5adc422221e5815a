import { readFile } from "node:fs/promises";
import { BridgeError, quote } from "../errors.ts";
import type { SecretSource } from "./secret.ts";
import type { NatsAuth, NatsConfig } from "./types.ts";

/**
 * How to authenticate, with the secrets read from their files; white space around them is dropped.
 * Reads anew at every call, so that a replaced file takes effect.
 *
 * Throws `NATS_CREDENTIALS`, which names the file and never its content, when a file can't be read
 * or is empty.
 */
export async function readSecrets(nats: Pick<NatsConfig, "auth">): Promise<NatsAuth> {
  const { auth } = nats;
  switch (auth.mode) {
    case "none":
    case "creds":
      return auth;
    case "token":
      return { mode: "token", token: await read(auth.token, "token_file") };
    case "userpass": {
      const password = await read(auth.password, "password_file");
      return { mode: "userpass", username: auth.username, password };
    }
    case "jwt": {
      const jwt = await read(auth.jwt, "user_jwt_file");
      const seed = await read(auth.seed, "user_nkey_seed_file");
      return { mode: "jwt", jwt, seed };
    }
  }
}

async function read(source: SecretSource, key: string): Promise<string> {
  if ("value" in source) return source.value.reveal();
  const { file } = source;
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(await readFile(file)).trim();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw unusable(
      key,
      file,
      error instanceof TypeError
        ? "is not UTF-8 text; save it as UTF-8"
        : `can't be read (${code ?? "unknown error"}); check the path and its permissions`,
    );
  }
  if (text === "") throw unusable(key, file, "is empty; write the secret into it");
  return text;
}

function unusable(key: string, file: string, reason: string): BridgeError {
  const message = `plugins.nats.${key}: the file ${quote(file)} ${reason}.`;
  return new BridgeError("NATS_CREDENTIALS", message);
}
