import { readFileSync } from "node:fs";

// Prints "<passed> <failed>" for a JSON report of vitest and the code it ended with.

const [file, code] = process.argv.slice(2);
let passed = 0;
let failed = 0;
try {
  const report = JSON.parse(readFileSync(file, "utf8"));
  passed = report.numPassedTests;
  failed = report.numFailedTests;
  for (const suite of report.testResults) {
    // A file that could not be loaded has no tests to fail.
    if (suite.status === "failed" && !suite.assertionResults.some((t) => t.status === "failed")) {
      failed++;
    }
  }
} catch (error) {
  console.error(`There is no report of the tests: ${error.message}`);
}
// Errors outside of tests, or a run that broke off, show in the code only.
if (code !== "0" && failed === 0) failed = 1;
console.log(`${passed} ${failed}`);
