import { BridgeError, quote } from "../errors.ts";
import type { BucketDocument } from "./bucket-document.ts";
import type { Operation, Owner } from "./transaction.ts";

/** A mounted bucket, and whose it is. */
export interface Slot {
  readonly owner: Owner;
  readonly document: BucketDocument;
}

/** Everything that can fail in a transaction, looked at before anything is done. Throws `STORE_CONFLICT`. */
export function checkOwners(
  operations: readonly Operation[],
  slots: ReadonlyMap<string, Slot>,
  mounted: Pick<WeakSet<BucketDocument>, "has">,
): void {
  const owners = new Map<string, Owner | undefined>();
  const documents = new Set<BucketDocument>();
  for (const operation of operations) {
    const { type, bucket, owner } = operation;
    const current = owners.has(bucket) ? owners.get(bucket) : slots.get(bucket)?.owner;
    if (type === "mount") {
      const { document } = operation;
      if (mounted.has(document) || documents.has(document)) {
        throw new BridgeError(
          "STORE_CONFLICT",
          `The document for bucket ${quote(bucket)} has been mounted before; fill a new one.`,
        );
      }
      documents.add(document);
      owners.set(bucket, owner);
    } else if (type === "unmount") owners.set(bucket, current === owner ? undefined : current);
    else if (current !== owner) {
      throw new BridgeError(
        "STORE_CONFLICT",
        `Bucket ${quote(bucket)} is ${current === undefined ? "not mounted" : "mounted by another watcher"}; mount it before changing it.`,
      );
    }
  }
}
