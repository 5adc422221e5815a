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
export function short(value, most = MOST_CHARACTERS) {
  const text = JSON.stringify(value);
  if (text === undefined || text.length <= most) return text;
  return `${text.slice(0, most)}…`;
}

/** From a minute on, in whole ones of the largest unit of which there are two or more. */
export function age(ms) {
  if (ms === undefined) return "";
  if (ms < 1_000) return "now";
  const seconds = Math.round(ms / 1_000);
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800
    ? `${Math.round(seconds / 3_600)} h`
    : `${Math.round(seconds / 86_400)} d`;
}

const UNITS = ["B", "KiB", "MiB", "GiB"];

export function size(bytes) {
  if (bytes === undefined) return "";
  let [value, unit] = [bytes, 0];
  for (; value >= 1_024 && unit < UNITS.length - 1; unit++) value /= 1_024;
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

/** A count with its thousands apart. */
export function count(number) {
  return number?.toLocaleString("en") ?? "";
}
