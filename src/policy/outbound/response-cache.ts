import { LRUCache } from "lru-cache";
import type { OutboundResponse } from "./request.ts";

/** Status codes of answers that may be kept (RFC 7231, section 6.1). */
const CACHEABLE: ReadonlySet<number> = new Set([
  200, 203, 204, 206, 300, 301, 404, 405, 410, 414, 501,
]);
const MAX_BYTES = 16 * 2 ** 20;

interface Entry {
  readonly response: OutboundResponse;
  /** In milliseconds since 1970. */
  readonly expiresAt: number;
}

/** Answers that later queries may have, by the rules of OPA's `http.send`; at most 16 MiB of them. */
export class ResponseCache {
  readonly #entries = new LRUCache<string, Entry>({
    maxSize: MAX_BYTES,
    sizeCalculation: ({ response }, key) =>
      key.length + response.body.length + JSON.stringify(response.headers).length + 1,
  });

  /** The answer that is kept for a request, while it is fresh. */
  fresh(key: string, now: number): OutboundResponse | undefined {
    const entry = this.#entries.get(key);
    return entry !== undefined && now < entry.expiresAt ? entry.response : undefined;
  }

  /** The headers that ask whether the answer which is kept still holds; undefined where nothing can be asked. */
  validators(key: string): Readonly<Record<string, string>> | undefined {
    const headers = this.#entries.get(key)?.response.headers;
    const [etag, modified] = [headers?.["etag"]?.[0], headers?.["last-modified"]?.[0]];
    if (etag === undefined && modified === undefined) return undefined;
    return {
      ...(etag !== undefined && { "if-none-match": etag }),
      ...(modified !== undefined && { "if-modified-since": modified }),
    };
  }

  /** Keeps what has been answered, where that may be; the answer is the one that holds now. */
  store(
    key: string,
    response: OutboundResponse,
    now: number,
    forcedSeconds: number | undefined,
  ): OutboundResponse {
    const before = this.#entries.get(key)?.response;
    this.#entries.delete(key);
    const unmodified = response.statusCode === 304 && before !== undefined;
    const current = unmodified
      ? { ...before, headers: { ...before.headers, ...response.headers } }
      : response;
    const control = cacheControl(response);
    if (forcedSeconds === undefined && control.has("no-store")) return current;
    if (!CACHEABLE.has(current.statusCode)) return current;
    const expiresAt =
      forcedSeconds === undefined ? expiryOf(response, control) : now + forcedSeconds * 1_000;
    this.#entries.set(key, { response: current, expiresAt });
    return current;
  }
}

function expiryOf({ headers }: OutboundResponse, control: ReadonlyMap<string, string>): number {
  const maxAge = Number(control.get("max-age") ?? "");
  const text = control.has("max-age") ? headers["date"]?.[0] : headers["expires"]?.[0];
  const time = Date.parse(text ?? "");
  if (Number.isNaN(time) || Number.isNaN(maxAge)) return 0;
  return time + maxAge * 1_000;
}

function cacheControl({ headers }: OutboundResponse): ReadonlyMap<string, string> {
  const parts = (headers["cache-control"] ?? []).join(",").split(",");
  return new Map(
    parts.map((part) => {
      const [name = "", value = ""] = part.split("=");
      return [name.trim().toLowerCase(), value.trim().replaceAll('"', "")];
    }),
  );
}
