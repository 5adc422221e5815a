// The service's public API, with the token of this tab.

const TOKEN = "nats-opa-bridge.token";
/** Rejects with `Unauthorized`, or with what the service says. */
export async function ask(path, options = {}) {
  const token = sessionStorage.getItem(TOKEN);
  const headers = { ...options.headers, ...(token && { authorization: `Bearer ${token}` }) };
  const response = await fetch(path, { ...options, headers, cache: "no-store" });
  if (response.status === 401) throw new Unauthorized();
  return response;
}

export class Unauthorized extends Error {}

export function hasToken() {
  return sessionStorage.getItem(TOKEN) !== null;
}

export function useToken(token) {
  sessionStorage.setItem(TOKEN, token);
}

/** The answer's text; rejects with the service's own words, and `status`. */
export async function textOf(response) {
  const text = await response.text();
  if (response.ok) return text;
  let message = `status ${response.status}`;
  try {
    const body = JSON.parse(text);
    const [error] = body.errors ?? [];
    message = error === undefined ? (body.message ?? message) : `${error.code}: ${error.message}`;
  } catch {
    // The status has to do.
  }
  throw Object.assign(new Error(message), { status: response.status });
}

export async function json(path) {
  return parse(await textOf(await ask(path)));
}

/** As JSON.parse; numbers that JavaScript would change keep their digits, where the browser can. */
export function parse(text) {
  if (JSON.rawJSON === undefined) return JSON.parse(text);
  return JSON.parse(text, (_name, value, { source }) =>
    typeof value === "number" && String(value) !== source ? JSON.rawJSON(source) : value,
  );
}

/**
 * Server-sent events, read with fetch because an EventSource can't send a token; `onOpen` is called once they can come.
 * Ends with the stream, or when `onEvent` returns false.
 */
export async function readEvents(path, signal, onEvent, onOpen = () => {}) {
  const response = await ask(path, { signal, headers: { accept: "text/event-stream" } });
  if (!response.ok) await textOf(response);
  onOpen();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffered = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    buffered += value;
    for (let end = buffered.indexOf("\n\n"); end >= 0; end = buffered.indexOf("\n\n")) {
      const lines = buffered.slice(0, end).split("\n");
      buffered = buffered.slice(end + 2);
      const id = lines.find((line) => line.startsWith("id: "))?.slice(4);
      const data = lines.filter((line) => line.startsWith("data: ")).map((line) => line.slice(6));
      if (data.length > 0 && onEvent(data.join("\n"), id) === false) return reader.cancel();
    }
  }
}
