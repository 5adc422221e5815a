import { inspect } from "node:util";
import { expect } from "vitest";
import type { Logger } from "../../../src/common/logger.ts";
import { NatsLink, type NatsSettings } from "../../../src/nats/connection.ts";

/** What a test wants of a link, over settings that fail fast and never give up. */
export type LinkOptions = Partial<NatsSettings> & { logger?: Logger };

/** A link that is closed at the end of the test. */
export class TestLink extends NatsLink implements AsyncDisposable {
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

export function linkTo(servers: string | readonly string[], options: LinkOptions = {}): TestLink {
  const { logger, ...settings } = options;
  return new TestLink(
    {
      servers: typeof servers === "string" ? [servers] : servers,
      name: "test",
      auth: { mode: "none" },
      connectTimeoutMs: 3_000,
      maxReconnectAttempts: -1,
      reconnectWaitMs: 50,
      retryOnFailedConnect: false,
      ...settings,
    },
    logger,
  );
}

export async function connectedLink(
  servers: string | readonly string[],
  options: LinkOptions = {},
): Promise<TestLink> {
  const link = linkTo(servers, options);
  await link.start();
  return link;
}

type Keep = (details: object, message: string) => void;

/** A logger that keeps everything as text, as deep as it goes. */
export class KeepingLogger implements Logger {
  readonly lines: string[] = [];
  readonly debug: Keep = this.#keeper("debug");
  readonly info: Keep = this.#keeper("info");
  readonly warn: Keep = this.#keeper("warn");
  readonly error: Keep = this.#keeper("error");

  #keeper(level: string): Keep {
    return (details, message) => {
      this.lines.push(`${level} ${message} ${inspect(details, { depth: 10, showHidden: true })}`);
    };
  }
}

/** Fails where one of the secrets can be read in any of the things, however deep it is buried. */
export function expectNoSecret(secrets: readonly string[], ...things: unknown[]): void {
  const text = things.map((thing) => inspect(thing, { depth: 10, showHidden: true })).join("\n");
  for (const secret of secrets) {
    expect(secret.length).toBeGreaterThan(5);
    expect(text).not.toContain(secret);
  }
}

/** Resolves when the server has answered over the link. */
export async function answered(link: NatsLink): Promise<string> {
  await (await link.connection()).flush();
  return "answered";
}
