// The console: everything it shows comes from the public API, and goes into the page as text, never as HTML.

import { ask, hasToken, json, parse, readEvents, textOf, Unauthorized, useToken } from "./api.js";
import { showData } from "./data.js";
import { age, count, element, labelled, short, size } from "./show.js";

const REFRESH_MS = 2_000;
const AGAIN_MS = 3_000;
const NOT_IMPLEMENTED = 501;
/** Of each list of what happens. */
const MOST_LINES = 200;
/** Of buckets that could not be had: whoever asks for decisions may name any. */
const MOST_FAILURES = 20;
/** Of a value in a list of what happens. */
const MOST_CHARACTERS = 120;

const at = (id) => document.getElementById(id);

let stop = new AbortController();
let paused = false;
/** What has happened while the lists stood still, to be shown when they go on. */
const held = [];
let rootBucket;

function start() {
  stop.abort();
  stop = new AbortController();
  const { signal } = stop;
  at("sign-in").hidden = true;
  document.body.classList.remove("signed-out");
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
      // What is off stays off until the service is started anew.
      if (error.status === NOT_IMPLEMENTED) return;
      if (act === refresh) glance(`The service can't be asked: ${error.message}`, false);
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

function signIn() {
  stop.abort();
  at("sign-in").hidden = false;
  document.body.classList.add("signed-out");
  glance(hasToken() ? "The token is not accepted" : "A token is needed", false);
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
  const isConnected = nats.state === "connected";
  const ready = isConnected ? "Ready" : "Ready, from copies: NATS is not connected";
  glance(health.ok ? ready : "Not ready", health.ok && isConnected);
  at("reasons").replaceChildren(...reasons.map((reason) => element("li", reason, "bad")));
  const bundles = Object.entries(policy?.bundles ?? {});
  at("health").replaceChildren(
    labelled("NATS", nats.state, isConnected ? "good" : "bad"),
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
  at("bucket-notes").replaceChildren(...notesOf(watch));
  at("no-buckets").hidden = watch.buckets.length > 0;
  rootBucket ??= (await json("/v1/config")).result.plugins.nats.root_bucket;
  showData(at("data"), watch.buckets, rootBucket);
}

function bucketRow(bucket) {
  const name = element("th", bucket.bucket);
  name.scope = "row";
  const state = bucket.stale ? `${bucket.state}, stale` : bucket.state;
  const cell = (label, text, className) => {
    const made = element("td", text, className);
    // Where there is no room for a head.
    made.dataset.label = label;
    return made;
  };
  const row = element("tr");
  row.append(
    name,
    cell("State", state, bucket.state === "live" && !bucket.stale ? "good" : "bad"),
    cell("Revision", count(bucket.revision), "number"),
    cell("Age", age(bucket.ageMs), "number"),
    cell("Keys", count(bucket.keys), "number"),
    cell("Size", size(bucket.bytes), "number"),
    cell("Evictions", count(bucket.evictions), "number"),
    cell("Hidden", count(bucket.hiddenCount), "number"),
    cell("Refused", count(bucket.refusedCount), "number"),
  );
  return row;
}

/** What the table has no room for: keys that policies don't see, and what is wrong with a bucket. */
function notesOf({ buckets, failures }) {
  const notes = [];
  const note = (bucket, text, className) => {
    const item = element("li", "", className);
    item.append(element("strong", bucket), `: ${text}`);
    notes.push(item);
  };
  const some = (keys, all) => keys.join(", ") + (all > keys.length ? ", …" : "");
  for (const { bucket, hidden = [], hiddenCount, refused = [], refusedCount, ...rest } of buckets) {
    if (hidden.length > 0) note(bucket, `hidden by deeper keys: ${some(hidden, hiddenCount)}`);
    if (refused.length > 0) {
      const keys = refused.map(({ key, reason }) => `${key} (${reason})`);
      note(bucket, `refused: ${some(keys, refusedCount)}`);
    }
    if (rest.doubt !== undefined) note(bucket, `can't be proved: ${rest.doubt}`, "bad");
    if (rest.state !== "live" && rest.lastError !== undefined) note(bucket, rest.lastError, "bad");
  }
  for (const { bucket, message } of failures.slice(0, MOST_FAILURES)) note(bucket, message, "bad");
  return notes;
}

/** Shows it now, or when the lists go on. */
function happened(show) {
  if (!paused) return show();
  held.push(show);
  if (held.length > 2 * MOST_LINES) held.shift();
}

/** A line about what happened at a time, with what else is known of it. */
function addLine(list, timeMs, text, details = []) {
  const item = element("li");
  const date = new Date(timeMs);
  const time = element("time", date.toLocaleTimeString(), "hint");
  time.dateTime = date.toISOString();
  item.append(time, " ", element("span", text, "mono"));
  if (details.length > 0) item.append(element("div", details.join(" · "), "hint"));
  list.prepend(item);
  while (list.children.length > MOST_LINES) list.lastElementChild.remove();
}

let cursor;

const LISTENING = "Listening";

async function followChanges(signal) {
  const query = cursor === undefined ? "" : `?cursor=${encodeURIComponent(cursor)}`;
  const state = at("feed-state");
  const listen = (text, id) => {
    if (id !== undefined) cursor = id;
    const message = parse(text);
    if (message.type === "change") happened(() => addChanges(message.changes, Date.now()));
  };
  try {
    await readEvents(`/v1/feed${query}`, signal, listen, () => (state.textContent = LISTENING));
  } catch (error) {
    // What can't be gone on from is given up.
    cursor = undefined;
    throw error;
  } finally {
    state.textContent = "Not listening; trying again";
  }
}

function addChanges(changes, timeMs) {
  for (const { op, bucket, key = "", revision, value } of changes.slice(-MOST_LINES)) {
    const words = [op, bucket, key, ...(revision === undefined ? [] : [`@${revision}`])];
    const details = value === undefined ? [] : [short(value, MOST_CHARACTERS)];
    addLine(at("changes"), timeMs, words.filter((word) => word !== "").join(" "), details);
  }
}

async function followDecisions(signal) {
  const state = at("decisions-state");
  // It begins with the latest, of which some may be here.
  let isAnew = true;
  const listen = (text) => {
    const event = parse(text);
    const isFirst = isAnew;
    isAnew = false;
    happened(() => {
      if (isFirst) at("decisions").replaceChildren();
      addDecision(event);
    });
  };
  try {
    await readEvents("/v1/decisions", signal, listen, () => (state.textContent = LISTENING));
    state.textContent = "Not listening; trying again";
  } catch (error) {
    // Where the decision log is off, that is why.
    state.textContent = error.message;
    throw error;
  }
}

function addDecision({ path = "", result, error, timestamp, metrics, custom }) {
  const outcome =
    error === undefined ? (short(result, MOST_CHARACTERS) ?? "undefined") : error.code;
  const tookNs = metrics?.timer_rego_query_eval_ns;
  const details = [
    ...(tookNs === undefined ? [] : [`${(tookNs / 1e6).toFixed(2)} ms`]),
    ...Object.entries(custom?.buckets ?? {}).map(([name, revision]) => `${name} @${revision}`),
  ];
  addLine(at("decisions"), Date.parse(timestamp), `${path} → ${outcome}`, details);
}

async function decide(event) {
  event.preventDefault();
  const answer = at("answer");
  answer.replaceChildren(element("p", "Asking…", "hint"));
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
    const whole = element("details");
    whole.append(element("summary", "The whole answer"), element("pre", text));
    answer.replaceChildren(
      element("pre", result === undefined ? "undefined" : JSON.stringify(result, undefined, 2)),
      element("p", `Revisions used: ${used.join(", ") || "none"}`),
      element("p", `${evaluationMs.toFixed(2)} ms to evaluate, ${tookMs.toFixed(0)} ms in all`),
      whole,
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
at("input").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  at("tester").requestSubmit();
});
at("pause").addEventListener("click", () => {
  paused = !paused;
  at("pause").setAttribute("aria-pressed", String(paused));
  at("paused").textContent = paused ? "Both lists stand still; what happens comes later." : "";
  if (!paused) for (const show of held.splice(0)) show();
});

start();
