import { readFileSync } from "node:fs";

/** The version of this package: the same distance from `src/common` as from `dist/common`. */
export const packageVersion: string = (
  JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  }
).version;
