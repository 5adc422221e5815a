import { existsSync } from "node:fs";
import { posix } from "node:path";
import { describe, expect, it } from "vitest";
import { documents, readDocument, ROOT } from "../../docs/blocks.ts";
import { relativeLinks } from "../../docs/links.ts";

interface Link {
  readonly from: string;
  readonly to: string;
}

/** Links to what is in this repository. */
function links(): Link[] {
  return documents().flatMap((from) =>
    relativeLinks(readDocument(from)).map((to) => ({ from, to })),
  );
}

/** The names under which a document's headings can be linked to, as GitHub makes them. */
function anchors(file: string): string[] {
  const headings =
    readDocument(file)
      .replaceAll(/^```[^]*?^```/gm, "")
      .match(/^#+ .+$/gm) ?? [];
  return headings.map((heading) =>
    heading
      .replace(/^#+ /, "")
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

describe("links between the documents", () => {
  it("lead to files, and to headings of them", () => {
    expect(links().length).toBeGreaterThan(10);
    const broken = links().filter(({ from, to }) => {
      const [path = "", anchor] = to.split("#");
      const file = path === "" ? from : posix.join(posix.dirname(from), path);
      if (!existsSync(ROOT + file)) return true;
      return anchor !== undefined && !anchors(file).includes(anchor);
    });
    expect(broken).toEqual([]);
  });

  it("reach every document from the README", () => {
    const linked = links().filter(({ from }) => from === "README.md");
    const files = new Set(linked.map(({ to }) => to.split("#")[0]));
    expect(documents().filter((file) => file !== "README.md" && !files.has(file))).toEqual([]);
  });
});
