import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { shortenPauses } from "../dist/common/short-pauses.js";

// `npm run bench -- NAME [--json]`: every side of a comparison is measured in the same run. With --json each
// line is one JSON object; the last has "bench" and the bench's fields. The process is set up as the service is.

shortenPauses();

const CASES = fileURLToPath(new URL("./cases/", import.meta.url));

const args = process.argv.slice(2);
const json = args.includes("--json");
const name = args.find((arg) => !arg.startsWith("--"));
const names = (await readdir(CASES)).map((file) => file.replace(/\.mjs$/, ""));

if (name === undefined || !names.includes(name)) {
  process.stderr.write(`usage: npm run bench -- NAME [--json]\nbenches: ${names.join(", ")}\n`);
  process.exit(2);
}

/** Says what has been measured so far. */
const report = (fields) => {
  process.stdout.write(`${json ? JSON.stringify(fields) : text(fields)}\n`);
};

const text = (fields) =>
  Object.entries(fields)
    .map(
      ([key, value]) =>
        `${key} ${typeof value === "number" ? round(value) : JSON.stringify(value)}`,
    )
    .join("  ");

const round = (value) => Number(value.toPrecision(4));

const { default: measure } = await import(`./cases/${name}.mjs`);
const fields = await measure(report);
for (const [key, value] of Object.entries(fields)) {
  if (typeof value === "number") fields[key] = round(value);
}
report({ bench: name, ...fields });
