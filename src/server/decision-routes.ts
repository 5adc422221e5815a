import { Readable } from "node:stream";
import type { FastifyInstance } from "fastify";
import type { DecisionListener, RecentDecisions } from "../decisions/recent-decisions.ts";
import { BridgeError } from "../errors.ts";

/**
 * The latest decisions and those that are being made, `GET /v1/decisions`: the events of the decision log as
 * server-sent events, after its masks and drops. Where the log is off there is nothing to show.
 */
export function decisionRoutes(app: FastifyInstance, recent: RecentDecisions | undefined): void {
  const open = new Set<DecisionListener>();
  app.addHook("preClose", async () => {
    for (const listener of open) listener.close();
  });
  app.get("/v1/decisions", { exposeHeadRoute: false }, (request, reply) => {
    if (recent === undefined) {
      throw new BridgeError(
        "NOT_SUPPORTED",
        "Decisions are shown where the decision log is on; set decision_logs in the configuration.",
      );
    }
    const listener = recent.listen();
    if (listener === undefined) {
      throw new BridgeError("SERVER_BUSY", "Too many look at the decisions; try again later.");
    }
    open.add(listener);
    const done = (): void => {
      listener.close();
      open.delete(listener);
    };
    const { socket } = request.raw;
    // Nothing is sent while nothing is decided; whoever has gone without a word is noticed all the same.
    socket.setTimeout(0);
    socket.setKeepAlive(true, 30_000);
    socket.once("close", done);
    const body = Readable.from(events(listener), { objectMode: true, highWaterMark: 1 });
    body.once("close", done);
    return reply
      .type("text/event-stream")
      .header("cache-control", "no-store")
      .header("x-accel-buffering", "no")
      .header("connection", "close")
      .send(body);
  });
}

async function* events(listener: DecisionListener): AsyncGenerator<string, undefined> {
  // So that the answer begins, though nothing has been decided.
  yield ": decisions\n\n";
  for (;;) {
    const some = await listener.next();
    if (some === undefined) return undefined;
    // Texts may have line breaks, as whitespace between their tokens.
    const lines = some.map(({ text }) => `data: ${text.replaceAll(/\r\n|\r|\n/g, "\ndata: ")}\n\n`);
    yield lines.join("");
  }
}
