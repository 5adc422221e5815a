import { BridgeError, quote } from "../errors.ts";
import type { Bundle } from "./bundle.ts";

/** A path of `data`. */
export type Root = readonly string[];

/** As it is written in manifests: `a/b`; empty for all of `data`. */
export function rootOf(text: string): Root {
  return text.split("/").filter((segment) => segment !== "");
}

/** Whether one is the other, or stands above or under it. */
export function overlaps(a: Root, b: Root): boolean {
  const common = Math.min(a.length, b.length);
  return a.slice(0, common).every((segment, index) => segment === b[index]);
}

function isWithin(path: Root, root: Root): boolean {
  return root.length <= path.length && overlaps(path, root);
}

function shown(root: Root): string {
  return quote(root.join("/"));
}

/** What is wrong between a bundle's roots and its content; undefined where nothing is. */
export function checkOwnRoots(
  { roots: texts, data, packages }: Bundle,
  entrypoints: readonly Root[],
): string | undefined {
  const roots = texts.map(rootOf);
  for (const [index, root] of roots.entries()) {
    const other = roots.slice(index + 1).find((later) => overlaps(root, later));
    if (other !== undefined) return `its roots ${shown(root)} and ${shown(other)} overlap`;
  }
  if (roots.some((root) => root.length === 0)) return undefined;
  const outside = (path: Root): boolean => !roots.some((root) => isWithin(path, root));
  const entrypoint = entrypoints.find(outside);
  if (entrypoint !== undefined) return `the entrypoint ${shown(entrypoint)} is outside its roots`;
  const owner = packages.find(outside);
  if (owner !== undefined) return `the package ${shown(owner)} is outside its roots`;
  const path = data.outside(roots);
  return path && `its data at ${shown(path)} is outside its roots`;
}

/**
 * Several bundles share `data` by their roots, and the watched buckets stand at `data.nats`. Throws `BUNDLE_ROOTS`,
 * which names both owners, where two of them claim one path.
 */
export function checkRoots(bundles: ReadonlyMap<string, Bundle>): void {
  const claims: { readonly name: string; readonly root: Root }[] = [];
  for (const [name, bundle] of bundles) {
    for (const root of bundle.roots.map(rootOf)) {
      if (root[0] === "nats") {
        throw new BridgeError(
          "BUNDLE_ROOTS",
          `The root ${shown(root)} of bundle ${quote(name)} belongs to the watched buckets, which stand at data.nats; give the bundle another root.`,
        );
      }
      const other = claims.find((claim) => claim.name !== name && overlaps(claim.root, root));
      if (other !== undefined) {
        throw new BridgeError(
          "BUNDLE_ROOTS",
          `The root ${shown(root)} of bundle ${quote(name)} overlaps the root ${shown(other.root)} of bundle ${quote(other.name)}; give each bundle roots of its own in its .manifest ("" is all of data).`,
        );
      }
      claims.push({ name, root });
    }
  }
}
