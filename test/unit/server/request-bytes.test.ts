import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import Fastify, { type FastifyInstance } from "fastify";
import { describe, expect, test } from "vitest";
import { deferred } from "../../../src/common/async.ts";
import { RequestError } from "../../../src/server/api-errors.ts";
import { bytesReader } from "../../../src/server/request-bytes.ts";

const MAX_BYTES = 100_000;

describe("the bytes of a body", () => {
  test.each([
    ["in one piece", (text: string) => [withLength(text)]],
    ["in two", (text: string) => [withLength(text).slice(0, -2), withLength(text).slice(-2)]],
    ["without saying how many", (text: string) => [HEAD + CHUNKED + chunk(text) + chunk("")]],
    ["so, in pieces", (text: string) => [HEAD + CHUNKED, chunk(text), chunk("")]],
  ])("come %s", async (_how, piecesOf) => {
    await using service = await serve();
    for (const text of ["x", "x".repeat(30_000), "x".repeat(MAX_BYTES)]) {
      const answer = await service.ask(piecesOf(text));
      await expect.poll(answer).toMatch(new RegExp(`^HTTP/1.1 200 [^]*\r\n\r\n${text.length}$`));
    }
    const tooLong = await service.ask(piecesOf("x".repeat(MAX_BYTES + 1)));
    await expect.poll(tooLong).toMatch(/^HTTP\/1.1 413 [^]*connection: close/);
  });

  test.each([
    ["none are announced", [`${HEAD}content-length: 0\r\n\r\n`]],
    ["none follow", [HEAD + CHUNKED + chunk("")]],
    ["none follow for a while", [HEAD + CHUNKED, chunk("")]],
  ])("are none where %s", async (_what, pieces) => {
    await using service = await serve();
    await expect.poll(await service.ask(pieces)).toMatch(/\r\n\r\n(?:0|none)$/);
  });

  test("may be those of the next request", async () => {
    await using service = await serve();
    const both = withLength("first") + withLength("second one");
    await expect.poll(await service.ask([both])).toMatch(/\r\n\r\n5HTTP[^]*\r\n\r\n10$/);
  });

  test("fail where the client leaves, before they are read or while they are", async () => {
    const read = deferred();
    await using service = await serve(() => read.promise);
    const early = await service.send([withLength("123").slice(0, -1)]);
    await delay(20);
    early.destroy();
    await delay(20);
    read.resolve();
    expect(await service.failure()).toMatchObject({ apiError: { status: 400 } });
    const late = await service.send([withLength("123").slice(0, -1)]);
    await delay(20);
    late.destroy();
    expect(await service.failure()).toMatchObject({ apiError: { status: 400 } });
  });
});

const HEAD = "POST / HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\n";
const CHUNKED = "transfer-encoding: chunked\r\n\r\n";

function withLength(text: string): string {
  return `${HEAD}content-length: ${text.length}\r\n\r\n${text}`;
}

function chunk(text: string): string {
  return `${text.length.toString(16)}\r\n${text}\r\n`;
}

interface Service extends AsyncDisposable {
  /** Writes the pieces one after the other, with time between them. */
  send(pieces: readonly string[]): Promise<Socket>;
  /** Sends them; what comes back so far is to be asked for. */
  ask(pieces: readonly string[]): Promise<() => string>;
  /** The next error that a request has failed with. */
  failure(): Promise<Error>;
}

/** Answers with the number of bytes, once `before` lets them be read. */
async function serve(before: () => Promise<void> = async () => undefined): Promise<Service> {
  const app: FastifyInstance = Fastify();
  let failed = deferred<Error>();
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", bytesReader(MAX_BYTES));
  // As a turn does.
  app.addHook("preParsing", async () => {
    await before();
    await new Promise((then) => setImmediate(then));
  });
  app.setErrorHandler((error: Error, _request, reply) => {
    failed.resolve(error);
    return reply.code(error instanceof RequestError ? error.apiError.status : 500).send(error);
  });
  app.post("/", async ({ body }) => (Buffer.isBuffer(body) ? String(body.length) : "none"));
  await app.listen({ host: "127.0.0.1", port: 0 });
  const { port } = new URL(app.listeningOrigin);
  const send: Service["send"] = async (pieces) => {
    const socket = connect({ host: "127.0.0.1", port: Number(port) });
    socket.on("error", () => undefined);
    await once(socket, "connect");
    for (const piece of pieces) {
      socket.write(piece);
      if (piece !== pieces.at(-1)) await delay(20);
    }
    return socket;
  };
  return {
    send,
    async ask(pieces) {
      let answer = "";
      const socket = await send(pieces);
      socket.on("data", (part) => (answer += String(part)));
      return () => answer;
    },
    async failure() {
      const error = await failed.promise;
      failed = deferred();
      return error;
    },
    [Symbol.asyncDispose]: async () => app.close(),
  };
}
