import { isDeepStrictEqual } from "node:util";
import { fileURLToPath } from "node:url";
import { connect } from "nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exactJson } from "../../support/exact-json.ts";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { opaForTests, type OpaServer, startOpa } from "../../support/opa-server.ts";
import { type Case, CASES } from "./parity-table.ts";
import { API, type Service, startService } from "./service.ts";

const POLICIES = fileURLToPath(new URL("../../policies/api", import.meta.url));
const ALICE = '{"id": 12345678901234567890, "tags": ["x", {"y": 1.5}]}';
const opaFile = await opaForTests();

interface Seen {
  readonly status: number;
  /** Undefined where the answer is not JSON. */
  readonly body: unknown;
  /** The same to the digit; of an error only its code: the words are each one's own. */
  readonly exact: unknown;
}

async function ask(base: string, { method, path, body, headers = {} }: Case): Promise<Seen> {
  const response = await fetch(base + path, {
    method,
    headers,
    redirect: "manual",
    ...(body !== undefined && { body }),
  });
  const text = await response.text();
  const { status } = response;
  if (text === "" || !response.headers.get("content-type")!.startsWith("application/json")) {
    return { status, body: undefined, exact: undefined };
  }
  const parsed = JSON.parse(text) as unknown;
  const isError = typeof parsed === "object" && parsed !== null && "code" in parsed;
  return { status, body: parsed, exact: isError ? parsed.code : exactJson(text) };
}

// Some requests have no answer in JSON that could be compared: OPA's router writes text, ours OPA's error body.
const BODYLESS: ReadonlySet<number> = new Set([404, 405]);

describe.skipIf(opaFile === undefined)(
  "every request of the table (skipped: there is no opa here; set OPA_BIN)",
  () => {
    let nats: NatsServer;
    let service: Service;
    let opa: OpaServer;

    beforeAll(async () => {
      nats = await startNatsServer();
      const client = await connect({ servers: nats.url });
      const team = await client.jetstream().views.kv("team");
      await team.put("members.alice", ALICE);
      await client.close();
      service = await startService(API, { server_url: nats.url });
      await service.bridge.manager.getOrCreateWatcher("team");
      const data = `{"nats":{"kv":{"team":{"members":{"alice":${ALICE}}}}}}`;
      opa = await startOpa(opaFile!, POLICIES, data);
    });

    afterAll(async () => {
      await service[Symbol.asyncDispose]();
      await opa[Symbol.asyncDispose]();
      await nats.stop();
    });

    it.each(CASES)("is answered as OPA answers it, or as the table says: $what", async (asked) => {
      const [ours, theirs] = [await ask(service.url, asked), await ask(opa.url, asked)];
      const { differs } = asked;
      expect(ours).toMatchObject(differs?.ours ?? { status: theirs.status });
      const bodiless = theirs.body === undefined && BODYLESS.has(ours.status);
      const same =
        ours.status === theirs.status && (bodiless || isDeepStrictEqual(ours.exact, theirs.exact));
      // A difference that is none any more does not belong in the table.
      expect([same, ours.exact, theirs.exact]).toEqual([
        differs === undefined,
        ours.exact,
        theirs.exact,
      ]);
    });
  },
);
