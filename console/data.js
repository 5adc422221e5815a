// The tree of the data. A branch is asked for when it is opened, and shows only so many members at a time.

import { json } from "./api.js";
import { element, short } from "./show.js";

const MOST_MEMBERS = 200;
/** A bucket of more is not fetched as a whole; a key of it can be asked for. */
const MOST_BYTES = 2 * 1_048_576;

/** Shows a branch for each bucket, and leaves those that are there as they are. */
export function showData(place, buckets, rootBucket) {
  const names = new Set(buckets.map(({ bucket }) => bucket));
  const gone = [...place.children].filter(({ dataset }) => !names.has(dataset.bucket));
  for (const branch of gone) branch.remove();
  const known = new Set([...place.children].map(({ dataset }) => dataset.bucket));
  for (const bucket of buckets) {
    if (known.has(bucket.bucket)) continue;
    const branch = bucketBranch(bucket, bucket.bucket === rootBucket);
    branch.dataset.bucket = bucket.bucket;
    place.append(branch);
  }
}

function bucketBranch({ bucket, bytes }, isRoot) {
  // Beside the policy's own documents, so what is the bucket's can't be told as a whole.
  if (isRoot) return keyBranch(bucket, "/v1/data", "it stands at the top of the data");
  const path = `/v1/data/nats/kv/${encodeURIComponent(bucket)}`;
  if (bytes > MOST_BYTES) return keyBranch(bucket, path, "it is too large to show");
  return branchOf(bucket, async () => {
    const { result } = await json(path);
    return membersOf(result ?? {});
  });
}

/** A bucket that can't be shown as a whole: one key, or what is under one, at a time. */
function keyBranch(bucket, path, reason) {
  return branchOf(bucket, async () => {
    const form = element("form");
    const label = element("label", `A key of ${bucket}, such as members.alice (${reason})`);
    const input = element("input");
    const answer = element("div");
    answer.setAttribute("aria-live", "polite");
    label.append(input);
    form.append(label, element("button", "Show"));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      try {
        const key = input.value.split(".").map(encodeURIComponent).join("/");
        if (key === "") throw new Error("Name a key.");
        const { result } = await json(`${path}/${key}`);
        answer.replaceChildren(memberOf(input.value, result));
      } catch (error) {
        answer.replaceChildren(element("p", error.message, "bad"));
      }
    });
    return [form, answer];
  });
}

/** Something that opens; what is in it is made anew each time. */
function branchOf(name, contents) {
  const branch = element("details");
  const inside = element("div");
  branch.append(element("summary", name, "mono"), inside);
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

function membersOf(value) {
  return page(Object.entries(value), 0);
}

function page(entries, from) {
  const shown = entries
    .slice(from, from + MOST_MEMBERS)
    .map(([name, value]) => memberOf(name, value));
  if (entries.length === 0) return [element("p", "empty", "hint")];
  const left = entries.length - from - MOST_MEMBERS;
  if (left <= 0) return shown;
  const more = element("button", `${left} more`);
  more.type = "button";
  more.addEventListener("click", () => {
    const next = page(entries, from + MOST_MEMBERS);
    more.replaceWith(...next);
    next[0].querySelector?.("summary")?.focus();
  });
  return [...shown, more];
}

function memberOf(name, value) {
  const isBranch = typeof value === "object" && value !== null && !JSON.isRawJSON?.(value);
  if (isBranch) return branchOf(name, async () => membersOf(value));
  return element("div", `${name}: ${short(value) ?? "undefined"}`, "mono");
}
