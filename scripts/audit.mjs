import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";

// `npm run audit` asks the registry for known weaknesses of the dependencies. Ends with 0 when it knows none of
// those that the package brings to its users, 1 when it knows some, and 3 when it could not be asked: some mirrors
// of the registry have no such endpoint, and then nothing is known, which is not the same as nothing being wrong.

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const NOT_ASKED = 3;

/** npm's report, or why there is none. */
function ask(...args) {
  return new Promise((resolve) => {
    const all = ["audit", "--json", ...args];
    execFile("npm", all, { cwd: ROOT, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      let answer;
      try {
        answer = JSON.parse(stdout);
      } catch {
        answer = { message: stderr.trim() || error?.message };
      }
      // npm's own code says nothing: it is 1 for weaknesses and for a registry that does not answer.
      const counts = answer.metadata?.vulnerabilities;
      if (answer.auditReportVersion === undefined || counts === undefined) {
        resolve({ reason: answer.message ?? answer.error?.summary ?? "no report" });
      } else resolve({ total: counts.total, vulnerabilities: answer.vulnerabilities });
    });
  });
}

async function look(whose, ...args) {
  const { reason, total, vulnerabilities } = await ask(...args);
  if (reason !== undefined) {
    console.error(`${whose}: NOT CHECKED, the registry could not be asked (${reason})`);
    return NOT_ASKED;
  }
  for (const { name, severity, range, via } of Object.values(vulnerabilities)) {
    const titles = via.map((cause) => (typeof cause === "string" ? cause : cause.title));
    console.error(`${whose}: ${name} ${range} (${severity}): ${titles.join("; ")}`);
  }
  console.log(`${whose}: ${total} known weaknesses`);
  return total === 0 ? 0 : 1;
}

const production = await look("production", "--omit=dev");
// What only those who work on the project have is told, and decides nothing.
await look("all, with development");
process.exitCode = production;
