import { readFileSync } from "node:fs";

// Prints "<passed> <failed>" for the last line of the chaos harness's --json and the code it ended with: every run
// is a test. The negative control is one, which passes when the harness has found what it had to find.

const [file, code] = process.argv.slice(2);
let passed = 0;
let failed = 0;
try {
  const figures = JSON.parse(readFileSync(file, "utf8").trim().split("\n").at(-1));
  if (figures.without_repair) passed = code === "0" ? 1 : 0;
  else {
    failed = figures.failed_seeds.length;
    passed = figures.runs - failed;
  }
} catch (error) {
  console.error(`There is no report of the chaos runs: ${error.message}`);
}
// A run that broke off is no run, and some leaks are no single run's.
if (code !== "0" && failed === 0) failed = 1;
console.log(`${passed} ${failed}`);
