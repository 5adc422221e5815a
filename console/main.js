// The console: everything it shows comes from the public API, and goes into the page as text, never as HTML.

import { ask, json, parse, readEvents, textOf, Unauthorized, useToken } from "./api.js";
import { showData } from "./data.js";
import { age, element, labelled, short, size } from "./show.js";

const REFRESH_MS = 2_000;
const AGAIN_MS = 3_000;
/** Of each list of what happens. */
const MOST_LINES = 200;

const at = (id) => document.getElementById(id);

let stop = new AbortController();
let paused = false;
let rootBucket;

function start() {
  stop.abort();
  stop = new AbortController();
  const { signal } = stop;
  at("sign-in").hidden = true;
  void repeat(refresh, REFRESH_MS, signal);
  void repeat(() => followChanges(signal), AGAIN_MS, signal);
  void repeat(() => followDecisions(signal), AGAIN_MS, signal);
}

/** Does it again and again; without a right to, only once there is another token. */
async function repeat(act, pauseMs, signal) {
  while (!signal.aborted) {
    try {
      await act();
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Unauthorized) return signIn();
      if (act === refresh) glance(`The service can't be asked: ${error.message}`, false);
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

function signIn() {
  stop.abort();
  at("sign-in").hidden = false;
  glance("A token is needed", false);
  if (document.activeElement === document.body) at("token").focus();
}

function glance(text, isGood) {
  // Only news is read out.
  if (at("glance").textContent === text) return;
  at("glance").textContent = text;
  at("glance").className = isGood ? "good" : "bad";
}

async function refresh() {
  const [health, { result: status }] = await Promise.all([
    ask("/health?plugins"),
    json("/v1/status"),
  ]);
  const reasons = health.ok ? [] : ((await health.json()).reasons ?? []);
  const { nats, policy, watch } = status;
  glance(health.ok ? "Ready" : "Not ready", health.ok);
  at("reasons").replaceChildren(...reasons.map((reason) => element("li", reason, "bad")));
  const bundles = Object.entries(policy?.bundles ?? {});
  at("health").replaceChildren(
    labelled("NATS", nats.state, nats.state === "connected" ? "good" : "bad"),
    labelled("Server", nats.server ?? "none"),
    labelled("Reconnects", nats.reconnects),
    labelled(
      "Bundles",
      bundles.map(([name, revision]) => `${name} ${revision}`).join(", ") || "none",
    ),
    labelled("Watched buckets", `${watch.watchers} of ${watch.maxWatchers}`),
    labelled("Data", size(watch.bytes)),
    labelled("Version of the data", status.version),
    ...(nats.lastError === undefined ? [] : [labelled("Last error", nats.lastError, "bad")]),
  );
  at("entrypoints").replaceChildren(
    ...(policy?.entrypoints ?? []).map((path) => Object.assign(element("option"), { value: path })),
  );
  at("buckets").replaceChildren(...watch.buckets.map(bucketRow));
  at("no-buckets").hidden = watch.buckets.length > 0;
  rootBucket ??= (await json("/v1/config")).result.plugins.nats.root_bucket;
  showData(at("data"), watch.buckets, rootBucket);
}

function bucketRow(bucket) {
  const name = element("th", bucket.bucket);
  name.scope = "row";
  const state = bucket.stale ? `${bucket.state}, stale` : bucket.state;
  const row = element("tr");
  row.append(
    name,
    element("td", state, bucket.state === "live" && !bucket.stale ? "good" : "bad"),
    element("td", bucket.revision ?? ""),
    element("td", age(bucket.ageMs)),
    element("td", bucket.keys ?? ""),
    element("td", size(bucket.bytes)),
    element("td", bucket.evictions),
    element("td", bucket.hiddenCount ?? 0),
    element("td", bucket.refusedCount ?? 0),
  );
  const keys = [...(bucket.hidden ?? []), ...(bucket.refused ?? []).map(({ key }) => key)];
  if (keys.length > 0) row.title = `hidden or refused: ${keys.join(", ")}`;
  return row;
}

function addLine(list, words, className) {
  const item = element("li", "", className);
  const time = element("time", new Date().toLocaleTimeString());
  item.append(time, ` ${words.filter((word) => word !== undefined).join(" ")}`);
  list.prepend(item);
  while (list.children.length > MOST_LINES) list.lastElementChild.remove();
}

let cursor;

async function followChanges(signal) {
  const query = cursor === undefined ? "" : `?cursor=${encodeURIComponent(cursor)}`;
  try {
    at("feed-state").textContent = "Listening";
    await readEvents(`/v1/feed${query}`, signal, (text, id) => {
      if (id !== undefined) cursor = id;
      const message = JSON.parse(text);
      if (paused || message.type !== "change") return;
      for (const { op, bucket, key, revision } of message.changes.slice(-MOST_LINES)) {
        const words = [op, bucket, key, revision === undefined ? undefined : `@${revision}`];
        addLine(at("changes"), words, "mono");
      }
    });
  } catch (error) {
    // What can't be gone on from is given up.
    cursor = undefined;
    throw error;
  } finally {
    at("feed-state").textContent = "Not listening; trying again";
  }
}

async function followDecisions(signal) {
  const state = at("decisions-state");
  try {
    state.textContent = "";
    await readEvents("/v1/decisions", signal, (text) => {
      if (paused) return;
      const { path = "", result, error, decision_id: id } = parse(text);
      const outcome = error === undefined ? (short(result) ?? "undefined") : error.code;
      addLine(at("decisions"), [path, "→", outcome, id], "mono");
    });
  } catch (error) {
    state.textContent = error.message;
    throw error;
  }
}

async function decide(event) {
  event.preventDefault();
  const answer = at("answer");
  try {
    const input = at("input").value.trim();
    if (input !== "") JSON.parse(input);
    const path = at("path").value.split("/").filter(Boolean).map(encodeURIComponent).join("/");
    const began = performance.now();
    // As texts: numbers keep their digits.
    const text = await textOf(
      await ask(`/v1/data/${path}?provenance&metrics&pretty`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: input === "" ? "{}" : `{"input": ${input}}`,
      }),
    );
    const tookMs = performance.now() - began;
    const { result, provenance, metrics } = parse(text);
    const evaluationMs = metrics.timer_rego_query_eval_ns / 1e6;
    const used = Object.entries(provenance.buckets).map(
      ([name, revision]) => `${name} @${revision}`,
    );
    answer.replaceChildren(
      element("p", result === undefined ? "Undefined" : (short(result) ?? ""), "good"),
      element("p", `${evaluationMs.toFixed(2)} ms to evaluate, ${tookMs.toFixed(0)} ms in all`),
      element("p", `Revisions used: ${used.join(", ") || "none"}`),
      element("pre", text),
    );
  } catch (error) {
    if (error instanceof Unauthorized) signIn();
    answer.replaceChildren(element("p", error.message, "bad"));
  }
}

at("tester").addEventListener("submit", (event) => void decide(event));
at("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  useToken(at("token").value.trim());
  at("token").value = "";
  start();
});
at("pause").addEventListener("click", () => {
  paused = !paused;
  at("pause").setAttribute("aria-pressed", String(paused));
});

start();
