import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runs } from "../../support/arbitraries.ts";
import type { StaleAction } from "../../../src/watch/staleness.ts";
import { documentOf, makeWatcher, settled } from "./support/make.ts";

const MAX_STALENESS_MS = 10_000;
const ACTIONS: readonly StaleAction[] = ["serve", "flag", "hide", "unavailable"];

/** What may happen to a watcher: time passes, and its stream says something, or ends. */
type Step =
  | { readonly kind: "pass"; readonly ms: number }
  | { readonly kind: "current" | "change" | "end" | "load" | "reconnect" };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 12_000 }) }),
  fc.record({ kind: fc.constantFrom("current", "change", "end", "load", "reconnect" as const) }),
);

describe("C5 a copy's age", () => {
  it("C5 whatever happens to a bucket, what policies see of it is never older than its budget unless they are told, and what is current is seen", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...ACTIONS),
        fc.array(step, { maxLength: 30 }),
        async (onStale, steps) => {
          const { watcher, store, source, clock } = makeWatcher({
            staleness: { buckets: ["*"], maxStalenessMs: MAX_STALENESS_MS, onStale },
          });
          const started = watcher.start();
          source.last().load({ a: 1 });
          await started;
          /** When the copy was last known to be all there is, and what it was then or became since. */
          let currentAt = clock.now();
          let value = 1;
          let loaded = true;
          for (const { kind, ...rest } of steps) {
            const [run] = source.running();
            switch (kind) {
              case "pass":
                clock.advance((rest as { ms: number }).ms);
                break;
              case "current":
                if (loaded && run !== undefined) {
                  run.current();
                  currentAt = clock.now();
                }
                break;
              case "change":
                if (loaded && run !== undefined) run.put("a", ++value);
                break;
              case "end":
                run?.end("BUCKET_STREAM_ENDED", "lost");
                loaded = false;
                break;
              case "reconnect":
                source.reconnect();
                break;
              case "load":
                if (loaded || run === undefined) break;
                run.load({ a: ++value });
                currentAt = clock.now();
                loaded = true;
                break;
            }
            await settled();
            const stale = clock.now() - currentAt >= MAX_STALENESS_MS;
            const hides = onStale === "hide" || onStale === "unavailable";
            // What was taken out of sight comes back by a load, which ends the stream before.
            if (stale && hides) loaded = false;
            const document = documentOf(store, "b");
            expect(watcher.status()).toMatchObject({ stale, onStale });
            expect(watcher.visible).toBe(!(stale && hides));
            expect(document).toEqual(stale && hides ? undefined : { a: value });
            expect(watcher.hiddenError?.code).toBe(
              stale && hides
                ? onStale === "hide"
                  ? "BUCKET_STALE"
                  : "BUCKET_UNAVAILABLE"
                : undefined,
            );
          }
          await watcher.stop();
          expect(clock.timers).toBe(0);
        },
      ),
      runs(200),
    );
  });
});
