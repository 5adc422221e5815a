import { readFileSync } from "node:fs";

// Linux counts in hundredths of a second, whatever the kernel's own clock.
const TICKS_PER_SECOND = 100;

/** The processor time that a process has used so far, with all its threads; undefined where /proc is not there. */
export function cpuSeconds(pid) {
  let stat;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined;
  }
  // Behind the name, which may hold anything but ends with the last parenthesis: user and system time.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
