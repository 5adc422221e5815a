import Fastify from "fastify";
import { describe, expect, test } from "vitest";
import { deferred } from "../../../src/common/async.ts";
import { handleByTurns } from "../../../src/server/turns.ts";

describe("requests that arrive in one turn of the event loop", () => {
  test("are handled one after the other in the same later turn, and only then answered", async () => {
    const app = Fastify();
    handleByTurns(app);
    const events: string[] = [];
    app.get("/:name", (request) => {
      const { name } = request.params as { name: string };
      events.push(`handled ${name}`);
      return Promise.resolve().then(() => {
        events.push(`answered ${name}`);
        return name;
      });
    });
    await app.ready();
    const names = ["a", "b", "c"];
    const answers: Promise<{ body: string }>[] = [];
    for (const name of names) {
      answers.push(app.inject(`/${name}`));
      // As sockets do: there is time between two requests for whatever the first one leads to, but no turn.
      for (let tick = 0; tick < 10; tick++) await new Promise((then) => process.nextTick(then));
    }
    expect(events).toEqual([]);
    expect((await Promise.all(answers)).map(({ body }) => body)).toEqual(names);
    expect(events).toEqual([
      ...names.map((name) => `handled ${name}`),
      ...names.map((name) => `answered ${name}`),
    ]);
  });

  test("are all handled before the first of them is answered, where the answers are there at once", async () => {
    const app = Fastify();
    const events: string[] = [];
    handleByTurns(app);
    app.addHook("onSend", (request, _reply, _payload, done) => {
      events.push(`answered ${request.url}`);
      done();
    });
    app.get("/:name", (request, reply) => {
      events.push(`handled ${request.url}`);
      reply.send(request.url);
    });
    await app.ready();
    const urls = ["/a", "/b", "/c"];
    const answers = await Promise.all(urls.map((url) => app.inject(url)));
    expect(answers.map(({ body }) => body)).toEqual(urls);
    expect(events).toEqual([
      ...urls.map((url) => `handled ${url}`),
      ...urls.map((url) => `answered ${url}`),
    ]);
  });

  test("whose answers can't be written fail alone", async () => {
    const app = Fastify();
    handleByTurns(app);
    app.setErrorHandler((error: Error, _request, reply) =>
      reply.code(500).removeHeader("x-broken").send(error.message),
    );
    app.get("/broken", (_request, reply) => {
      reply.header("x-broken", "line\nbreak").send("never");
    });
    app.get("/works", (_request, reply) => {
      reply.send("fine");
    });
    const answers = await Promise.all(
      ["/works", "/broken", "/works"].map((url) => app.inject(url)),
    );
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([200, 500, 200]);
    expect(answers[1]!.body).toMatch(/x-broken/);
  });

  test("fail alone", async () => {
    const app = Fastify();
    handleByTurns(app);
    app.get("/throws", () => {
      throw new Error("synchronous");
    });
    app.get("/rejects", async () => {
      throw new Error("asynchronous");
    });
    app.get("/works", async () => "fine");
    const answers = await Promise.all(
      ["/throws", "/rejects", "/works", "/throws", "/works"].map((url) => app.inject(url)),
    );
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([500, 500, 200, 500, 200]);
  });

  test("leave the next turn's to the next", async () => {
    const app = Fastify();
    handleByTurns(app);
    const asked = deferred();
    app.get("/first", async () => {
      // Comes while the first turn is being handled, and must not be part of it.
      void app.inject("/second").then(() => asked.resolve());
      return "first";
    });
    app.get("/second", async () => "second");
    expect((await app.inject("/first")).body).toBe("first");
    await asked.promise;
  });
});
