/** A path of `data` that belongs to somebody. */
export interface ReservedPath {
  /** Its segments below `data`. */
  readonly path: readonly string[];
  /** Who it belongs to, for messages. */
  readonly owner: string;
}

/** Paths of `data` that belong to somebody, and who that is. */
export class ReservedPaths {
  /** Those that are always reserved. */
  static readonly none: ReservedPaths = new ReservedPaths([]);

  readonly #owners: readonly ReservedPath[];

  /** `nats` and `system` are always reserved. */
  constructor(owners: readonly ReservedPath[]) {
    this.#owners = [
      { path: ["nats"], owner: "the watched buckets" },
      { path: ["system"], owner: "OPA's own policies" },
      ...owners,
    ];
  }

  /** Every path, as segments. */
  get paths(): readonly (readonly string[])[] {
    return this.#owners.map(({ path }) => path);
  }

  /** Why a key may not stand at the top of `data`: it would stand at, above or under a path that is taken. */
  conflictWith(key: string): string | undefined {
    const segments = key.split(".");
    for (const { path, owner } of this.#owners) {
      const common = Math.min(path.length, segments.length);
      if (path.slice(0, common).every((segment, index) => segment === segments[index])) {
        return `data.${path.join(".")} belongs to ${owner}`;
      }
    }
    return undefined;
  }
}
