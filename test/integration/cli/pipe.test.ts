import { beforeAll, expect, it } from "vitest";
import { build, run } from "./cli.ts";

beforeAll(build, 120_000);

it("ends in silence when nobody reads its output any more, as with `| head`", async () => {
  const help = run(["serve", "--help"]);
  help.child.stdout!.destroy();
  expect(await help.exit).toMatchObject({ code: 0, signal: null, stderr: "" });
});
