// Making pieces of the page. Text is only ever set as text.

export function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className !== undefined) made.className = className;
  return made;
}

export function labelled(label, value, className) {
  const pair = element("div");
  pair.append(element("dt", label), element("dd", value, className));
  return pair;
}

const MOST_CHARACTERS = 300;

/** A value on one line. */
export function short(value) {
  const text = JSON.stringify(value);
  if (text === undefined || text.length <= MOST_CHARACTERS) return text;
  return `${text.slice(0, MOST_CHARACTERS)}…`;
}

export function age(ms) {
  if (ms === undefined) return "";
  return ms < 1_000 ? "now" : `${Math.round(ms / 1_000)} s`;
}

export function size(bytes) {
  if (bytes === undefined) return "";
  if (bytes < 1_024) return `${bytes} B`;
  return bytes < 1_048_576
    ? `${(bytes / 1_024).toFixed(1)} KiB`
    : `${(bytes / 1_048_576).toFixed(1)} MiB`;
}
