import { lookup } from "node:dns/promises";
import { messageOf } from "../../errors.ts";
import { send } from "../outbound/request.ts";
import { ResponseCache } from "../outbound/response-cache.ts";
import { type OutboundOptions, OutboundRules } from "../outbound/rules.ts";
import { type Query, Suspension } from "../query.ts";
import { errorAnswer, readRequest, type SendRequest, valueOf } from "./http-messages.ts";
import { type BuiltinFamily, family } from "./registry.ts";
import { RegoSet, type Value } from "./value.ts";

/** `http.send` and `net.lookup_ip_addr`: the query is suspended until the answer is there, and has it from then on. */
export function outboundBuiltins(options: OutboundOptions): BuiltinFamily {
  const rules = new OutboundRules(options);
  const cache = new ResponseCache();
  return family({
    "http.send": (operands, query) => {
      const request = readRequest(operands.object(1), rules);
      if ("refused" in request) return errorAnswer(request.refused);
      const nowMs = Number(query.now / 1_000_000n);
      const kept = request.cached ? cache.fresh(request.key, nowMs) : undefined;
      if (kept !== undefined) return valueOf(kept, request);
      try {
        return later(query, `http.send ${request.key}`, request.host, () =>
          exchange(request, nowMs),
        );
      } catch (error) {
        if (request.raisesErrors || error instanceof Suspension) throw error;
        return errorAnswer(error);
      }
    },
    "net.lookup_ip_addr": (operands, query) => {
      const name = operands.string(1);
      rules.checkHost(name);
      return later(query, `net.lookup_ip_addr ${name}`, `host ${name}`, async () => {
        const addresses = await lookup(name, { all: true });
        return new RegoSet(addresses.map(({ address }) => address));
      });
    },
  });

  async function exchange(request: SendRequest, nowMs: number): Promise<Value> {
    const { key, cached, forcedSeconds, tls, retries } = request;
    const validators = cached ? cache.validators(key) : undefined;
    const headers = { ...request.headers, ...validators };
    const ready = { ...request, headers, tls: await tls() };
    for (let attempt = 0; ; attempt++) {
      try {
        const response = await send(ready, rules);
        return valueOf(
          cached ? cache.store(key, response, nowMs, forcedSeconds) : response,
          request,
        );
      } catch (error) {
        if (attempt >= retries) throw error;
      }
    }
  }
}

/** What this question was answered in this query; where it was not asked yet, the query waits for the answer. */
function later(query: Query, question: string, what: string, ask: () => Promise<Value>): Value {
  const outcome = query.outcome(question);
  if (outcome === undefined) {
    throw new Suspension(what, async () => {
      try {
        const value = await ask();
        query.settle(question, () => value);
      } catch (error) {
        query.settle(question, () => {
          throw error instanceof Error ? error : new Error(messageOf(error));
        });
      }
    });
  }
  return outcome();
}
