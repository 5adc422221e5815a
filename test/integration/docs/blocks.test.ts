import { expect, it } from "vitest";
import { allBlocks } from "../../docs/blocks.ts";
import { handlersOf, titleOf } from "../../docs/handled.ts";

const SLOW = allBlocks().flatMap((block) => {
  const slow = handlersOf(block).filter(({ quick }) => !quick);
  return slow.map((handled) => [titleOf(block, handled), handled, block] as const);
});

it.for(SLOW)(
  "%s does what the document says",
  { timeout: 90_000 },
  async ([, { check, possible }, block], { skip }) => {
    if ((await possible?.()) === false) skip("it needs opa, or a later server");
    await check(block);
    expect(block.text).not.toBe("");
  },
);
