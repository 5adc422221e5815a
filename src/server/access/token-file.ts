import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import type { Logger } from "../../common/logger.ts";
import { BridgeError, messageOf, quote } from "../../errors.ts";

/** How long a change of the file may go unnoticed, in milliseconds. */
const LOOK_AGAIN_MS = 500;
const MAX_BYTES = 1024 * 1024;
/** RFC 6750's b64token. */
const TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/;

/**
 * The bearer tokens that are accepted: a file with one on each line, or `identity token`; `#` starts a comment.
 * A token without an identity is its own, as in OPA. The file is read again when it has changed; while it can't
 * be read or understood, no token is accepted.
 *
 * Tokens are kept as their hashes, so the time of a look-up tells nothing of them.
 */
export class TokenFile {
  readonly #file: string;
  readonly #logger: Logger;
  #identities: ReadonlyMap<string, string> = new Map();
  #stamp = "";
  #lookedAt = -Infinity;
  #looking: Promise<void> | undefined;

  private constructor(file: string, logger: Logger) {
    this.#file = file;
    this.#logger = logger;
  }

  /** Rejects with `CONFIG_INVALID` when the file can't be used at the start. */
  static async open(file: string, logger: Logger): Promise<TokenFile> {
    const tokens = new TokenFile(file, logger);
    await tokens.#read();
    tokens.#lookedAt = performance.now();
    return tokens;
  }

  /** Whose token it is; undefined where it is nobody's. */
  async identityOf(token: string): Promise<string | undefined> {
    if (performance.now() - this.#lookedAt >= LOOK_AGAIN_MS) {
      this.#looking ??= this.#look();
      await this.#looking;
    }
    const own = this.#identities.get(hash(token));
    return own === "" ? token : own;
  }

  async #look(): Promise<void> {
    try {
      await this.#read();
    } catch (error) {
      if (this.#stamp !== "") this.#logger.error({}, `no token is accepted: ${messageOf(error)}`);
      this.#identities = new Map();
      this.#stamp = "";
    } finally {
      this.#lookedAt = performance.now();
      this.#looking = undefined;
    }
  }

  /** Reads the file if it is another one than before. */
  async #read(): Promise<void> {
    let text: string;
    let stamp: string;
    try {
      const file = await open(this.#file);
      try {
        const { ino, size, mtimeNs, ctimeNs } = await file.stat({ bigint: true });
        stamp = [ino, size, mtimeNs, ctimeNs].join(" ");
        if (stamp === this.#stamp) return;
        if (size > MAX_BYTES) throw new Error("it is larger than 1 MiB");
        text = await file.readFile("utf8");
      } finally {
        await file.close();
      }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw refused(this.#file, `can't be read (${code ?? messageOf(error)})`);
    }
    this.#identities = tokensIn(text, this.#file);
    this.#stamp = stamp;
  }
}

function tokensIn(text: string, file: string): Map<string, string> {
  const identities = new Map<string, string>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const words = line
      .replace(/(^|\s)#.*$/, "")
      .trim()
      .split(/\s+/);
    if (words[0] === "") continue;
    const token = words.at(-1)!;
    if (words.length > 2 || !TOKEN.test(token)) {
      throw refused(file, `has no token on line ${index + 1}; write TOKEN, or IDENTITY TOKEN`);
    }
    identities.set(hash(token), words.length === 2 ? words[0]! : "");
  }
  return identities;
}

function hash(token: string): string {
  return createHash("sha256").update(token).digest("base64");
}

function refused(file: string, what: string): BridgeError {
  return new BridgeError(
    "CONFIG_INVALID",
    `The file of server.token_file, ${quote(file)}, ${what}.`,
  );
}
