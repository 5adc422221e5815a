import { describe, expect, it } from "vitest";
import { parse as parseYaml } from "yaml";
import { parseConfig } from "../../../src/config/load.ts";
import { readDocument } from "../../docs/blocks.ts";

/** Every key that opa-nats has, those included that only its README has. */
const KEYS =
  "server_url credentials token username password user_jwt user_nkey_seed tls_cert tls_key tls_ca_cert " +
  "tls_insecure ttl refresh_interval max_reconnect_attempts reconnect_wait max_bucket_watchers root_bucket " +
  "handled_paths_regex log_level bucket root_tenant";

interface Row {
  readonly given: string;
  readonly nats: Readonly<Record<string, unknown>>;
  readonly outcome: string;
  readonly difference: string;
}

/** The table of what stands under `plugins.nats`: YAML, what becomes of it here, and what differs. */
const ROWS: readonly Row[] = [
  ...readDocument("docs/migration.md").matchAll(
    /^\| `([^`]+)` \| ((?:accepted|refused)[^|]*) \|(.*)\|$/gm,
  ),
].map(([, given, outcome, difference]) => ({
  given: given!,
  nats: parseYaml(given!) as Record<string, unknown>,
  outcome: outcome!.trim(),
  difference: difference!.trim(),
}));

/** What becomes of it, and what it is refused for. */
function outcomeOf(nats: object): { readonly outcome: string; readonly reason?: unknown } {
  try {
    const { warnings } = parseConfig({ plugins: { nats } });
    return { outcome: warnings.length > 0 ? "accepted with a warning" : "accepted" };
  } catch (reason) {
    return { outcome: "refused", reason };
  }
}

describe("docs/migration.md", () => {
  it("has every key of opa-nats", () => {
    const keys = new Set(ROWS.flatMap(({ nats }) => Object.keys(nats)));
    expect(KEYS.split(" ").filter((key) => !keys.has(key))).toEqual([]);
  });

  it.each(ROWS)("says what becomes of $given: $outcome", ({ nats, outcome }) => {
    // Of all that could be wrong, it is one of the row's keys that is.
    const keys = Object.keys(nats).join("|");
    const message: unknown = expect.stringMatching(`plugins\\.nats(\\.(${keys}))?\\b`);
    const reason = {
      reason: expect.objectContaining({ code: "CONFIG_INVALID", message }) as unknown,
    };
    expect(outcomeOf(nats)).toEqual({ outcome, ...(outcome === "refused" && reason) });
  });

  it("names the defaults that are in effect", () => {
    const named = ROWS.flatMap(({ nats, difference }) => {
      const [, value] = /[Tt]he default is `?([^`\s.]+)`?/.exec(difference) ?? [];
      return value === undefined
        ? []
        : [{ key: Object.keys(nats)[0]!, value: parseYaml(value) as unknown }];
    });
    expect(named.length).toBeGreaterThan(2);
    const usual = parseConfig({});
    for (const { key, value } of named) {
      expect([key, parseConfig({ plugins: { nats: { [key]: value } } })]).toEqual([key, usual]);
    }
  });
});
