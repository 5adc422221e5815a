import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Document } from "../../../../src/store/document.ts";
import { KeyTree, NONE } from "../../../../src/store/packed/key-tree.ts";

/** The names under a node, in the tree's order. */
function namesUnder(tree: KeyTree, node: number): string[] {
  const names: string[] = [];
  for (let child = tree.firstChild(node); child !== NONE; child = tree.next(child)) {
    names.push(tree.name(child));
  }
  return names;
}

describe("S4 a tree of names", () => {
  it("has under each node the names that were added and not removed, in that order", () => {
    const name = fc.oneof(
      fc.constantFrom("", "__proto__", "constructor", "a", "b", "ab", "ä", "\u{1f600}"),
      fc.string({ maxLength: 3 }),
    );
    const step = fc.record({ parent: fc.nat(3), name, text: fc.string(), remove: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300, size: "max" }), (steps) => {
        const tree = new KeyTree();
        const parents = ["p", "q", "r"].map((parent) => tree.add(NONE, parent, ""));
        const models = [...parents, NONE].map(() => new Map<string, string>());
        for (const parent of ["p", "q", "r"]) models[3]!.set(parent, "");
        for (const { parent: index, name: key, text, remove } of steps) {
          const parent = parents[index] ?? NONE;
          const model = models[index]!;
          const node = tree.child(parent, `.${key}`, 1);
          expect(node !== NONE).toBe(model.has(key));
          if (parents.includes(node)) continue;
          if (node === NONE) {
            tree.add(parent, key, text, 7);
            model.set(key, text);
          } else if (remove) {
            tree.remove(node);
            model.delete(key);
          } else {
            tree.put(node, text, 8);
            model.set(key, text);
          }
        }
        for (const [index, model] of models.entries()) {
          const parent = parents[index] ?? NONE;
          expect(namesUnder(tree, parent)).toEqual([...model.keys()]);
          expect(tree.childCount(parent)).toBe(model.size);
          for (const [key, text] of model) {
            const node = tree.child(parent, key);
            expect(tree.parent(node)).toBe(parent);
            expect(tree.text(node)).toBe(text);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it("finds each of 300,000 names, some of which have equal hashes, while others go and come", () => {
    const tree = new KeyTree();
    const parent = tree.add(NONE, "members");
    const count = 300_000;
    const nameOf = (index: number): string => `user-${index}`;
    for (let index = 0; index < count; index++) tree.add(parent, nameOf(index), String(index), 1);
    for (let index = 0; index < count; index += 3) tree.remove(tree.child(parent, nameOf(index)));
    for (let index = 0; index < count; index += 6) tree.add(parent, nameOf(index), "again", 2);
    let wrong = 0;
    for (let index = 0; index < count; index++) {
      const text = tree.text(tree.child(parent, nameOf(index)));
      const gone = index % 6 === 3;
      const expected = index % 6 === 0 ? "again" : String(index);
      if (text !== (gone ? undefined : expected)) wrong++;
    }
    expect(wrong).toBe(0);
    expect(tree.childCount(parent)).toBe((count * 5) / 6);
  });

  it("takes no more memory for texts that are changed, or that come and go, again and again", () => {
    const tree = new KeyTree();
    const nodes = Array.from({ length: 1_000 }, (_, index) => tree.add(NONE, `n${index}`, "", 1));
    for (let round = 0; round < 300; round++) {
      for (const [index, node] of nodes.entries()) {
        const text = "x".repeat((index * 7 + round) % 200);
        if ((index + round) % 10 !== 0) tree.put(node, text, round);
        else {
          tree.remove(node);
          nodes[index] = tree.add(NONE, `n${index}`, text, round);
        }
      }
    }
    expect(tree.recordBytes).toBeLessThan(512 * 1024);
  });

  it("is walked past every node that stays, once, whatever comes and goes meanwhile", () => {
    const step = fc.record({ at: fc.nat(40), remove: fc.boolean(), walk: fc.nat(3) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150, size: "max" }), (steps) => {
        const tree = new KeyTree();
        const parents = [tree.add(NONE, "p"), tree.add(NONE, "q")];
        const live = new Set<string>();
        const nodeOf = (index: number): number => tree.child(parents[index % 2]!, `n${index}`);
        const add = (index: number): void => {
          tree.add(parents[index % 2]!, `n${index}`, "1", 1);
          live.add(`n${index}`);
        };
        for (let index = 0; index < 40; index += 2) add(index);
        for (let index = 1; index < 40; index += 2) add(index);
        const stayed = new Set(live);
        const walks = [0, 1, 2].map(() => ({ walk: tree.walk(NONE), seen: [] as string[] }));
        const advance = ({ walk, seen }: (typeof walks)[number]): boolean => {
          const node = walk.next();
          if (node !== NONE) {
            seen.push(tree.name(node));
            walk.enter(node);
          } else if (walk.depth === 1) return false;
          else walk.leave();
          return true;
        };
        for (const { at, remove, walk } of steps) {
          const chosen = walks[walk];
          if (chosen !== undefined) advance(chosen);
          const node = nodeOf(at);
          if (node === NONE) add(at);
          else if (remove) {
            tree.remove(node);
            live.delete(`n${at}`);
            stayed.delete(`n${at}`);
          }
        }
        for (const walk of walks) {
          while (advance(walk));
          for (const name of stayed)
            expect(walk.seen.filter((seen) => seen === name)).toEqual([name]);
          // What has gone and come again may be seen again; nothing is seen that never was.
          for (const name of walk.seen) expect(name).toMatch(/^(?:[pq]|n\d+)$/);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("knows of no walk that has come to its end, or was left by who read a document", () => {
    const document = new Document();
    for (const key of ["a", "a.b", "c.d", "c.e"]) document.put(key, "{}", 1);
    const left = document.entries();
    left.next();
    expect(document.readings).toBe(1);
    for (let round = 0; round < 3; round++) {
      expect([...document.entries(["c"])]).toHaveLength(2);
      expect([...document.parts()]).toHaveLength(3);
      for (const [key] of document.entries()) if (key === "a.b") break;
    }
    expect(document.readings).toBe(1);
    left.return(undefined);
    expect(document.readings).toBe(0);
  });
});
