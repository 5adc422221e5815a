// The tree of the data. A branch is asked for when it is opened, and shows only so many members at a time.

import { json, parse, readEvents } from "./api.js";
import { count, element, short } from "./show.js";

const MOST_MEMBERS = 200;
/** A bucket of more is not fetched as a whole; a key of it can be asked for. */
const MOST_BYTES = 2 * 1_048_576;

/** What is known of each bucket, by its name. */
let known = new Map();

/** Shows a branch for each bucket, and leaves those that are there as they are. */
export function showData(place, buckets, rootBucket) {
  known = new Map(buckets.map((bucket) => [bucket.bucket, bucket]));
  const gone = [...place.children].filter(({ dataset }) => !known.has(dataset.bucket));
  for (const branch of gone) branch.remove();
  const shown = new Set([...place.children].map(({ dataset }) => dataset.bucket));
  for (const bucket of known.keys()) {
    if (shown.has(bucket)) continue;
    const branch = bucketBranch(bucket, bucket === rootBucket);
    branch.dataset.bucket = bucket;
    place.append(branch);
  }
}

function bucketBranch(bucket, isRoot) {
  const path = isRoot ? "/v1/data" : `/v1/data/nats/kv/${encodeURIComponent(bucket)}`;
  return branchOf(bucket, isRoot ? "at the top of data" : "", async () => {
    if (known.get(bucket)?.bytes > MOST_BYTES) return keyForm(bucket, path);
    if (!isRoot) return insideOf((await json(path)).result);
    // It stands beside the policy's own documents, which are not the bucket's.
    const names = await topNames(bucket);
    if (names === undefined) return insideOf(undefined);
    return page([...names], 0, (name) =>
      branchOf(name, "", async () => {
        const { result } = await json(`${path}/${encodeURIComponent(name)}`);
        return insideOf(result);
      }),
    );
  });
}

/** What the keys of a bucket begin with; undefined where policies see nothing of it. */
async function topNames(bucket) {
  let names;
  const filter = `snapshot=true&bucket=${encodeURIComponent(bucket)}`;
  await readEvents(`/v1/feed?${filter}`, undefined, (text) => {
    const { type, entries } = parse(text);
    if (type === "entries") {
      names ??= new Set();
      for (const { key } of entries) names.add(key.split(".", 1)[0]);
    }
    return type !== "complete";
  });
  return names;
}

/** A bucket that can't be shown as a whole: one key, or what is under one, at a time. */
function keyForm(bucket, path) {
  const form = element("form");
  const label = element(
    "label",
    `${bucket} is too large to show; a key of it, such as members.alice`,
  );
  const input = element("input");
  const answer = element("div");
  input.spellcheck = false;
  input.autocapitalize = "none";
  answer.setAttribute("aria-live", "polite");
  label.append(input);
  form.append(label, element("button", "Show"));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      if (input.value === "") throw new Error("Name a key.");
      const key = input.value.split(".").map(encodeURIComponent).join("/");
      const { result } = await json(`${path}/${key}`);
      answer.replaceChildren(memberOf([input.value, result]));
    } catch (error) {
      answer.replaceChildren(element("p", error.message, "bad"));
    }
  });
  return [form, answer];
}

/** Something that opens; what is in it is made anew each time. */
function branchOf(name, hint, contents) {
  const branch = element("details");
  const inside = element("div");
  const summary = element("summary", name, "mono");
  if (hint !== "") summary.append(" ", element("span", hint, "hint"));
  branch.append(summary, inside);
  branch.addEventListener("toggle", async () => {
    if (!branch.open) return inside.replaceChildren();
    try {
      inside.replaceChildren(...(await contents()));
    } catch (error) {
      inside.replaceChildren(element("p", error.message, "bad"));
    }
  });
  return branch;
}

function insideOf(value) {
  if (value === undefined) return [element("p", "nothing that policies see", "hint")];
  if (!isBranch(value)) return [element("div", short(value), "leaf mono")];
  return page(Object.entries(value), 0, memberOf);
}

function page(items, from, show) {
  if (items.length === 0) return [element("p", "empty", "hint")];
  const shown = items.slice(from, from + MOST_MEMBERS).map((item) => show(item));
  const left = items.length - from - MOST_MEMBERS;
  if (left <= 0) return shown;
  const more = element("button", `${count(left)} more`);
  more.type = "button";
  more.addEventListener("click", () => {
    const next = page(items, from + MOST_MEMBERS, show);
    more.replaceWith(...next);
    // The button that had the focus is gone.
    const first = next[0].querySelector("summary") ?? next[0];
    if (first === next[0]) first.tabIndex = -1;
    first.focus();
  });
  return [...shown, more];
}

function memberOf([name, value]) {
  if (!isBranch(value))
    return element("div", `${name}: ${short(value) ?? "undefined"}`, "leaf mono");
  const members = Object.keys(value).length;
  const hint = Array.isArray(value) ? `[${count(members)}]` : `{${count(members)}}`;
  return branchOf(name, hint, async () => insideOf(value));
}

function isBranch(value) {
  return typeof value === "object" && value !== null && !JSON.isRawJSON?.(value);
}
