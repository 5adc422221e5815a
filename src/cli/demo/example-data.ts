/** The example's buckets: key → value, for each bucket's name. */
export type ExampleData = ReadonlyMap<string, ReadonlyMap<string, unknown>>;

export const ROOT_BUCKET = "permit-groups-default";
export const PAYMENTS = "550e8400-e29b-41d4-a716-446655440000";
export const DEVELOPERS = "660e8400-e29b-41d4-a716-446655440001";
export const ARCHIVE = "770e8400-e29b-41d4-a716-446655440002";

const MANY_MEMBERS = 2_000;

/** One bucket for each group, named by its UUID, and a root bucket for what no group owns. */
export function exampleData(): ExampleData {
  return new Map([
    [
      ROOT_BUCKET,
      bucket({
        "users.alice": { name: "Alice", groups: [PAYMENTS], suspended: false },
        "users.bob": { name: "Bob", groups: [PAYMENTS, DEVELOPERS], suspended: false },
        "users.carol": { name: "Carol", groups: [DEVELOPERS], suspended: true },
        "roles.admin": { inherits: ["member"] },
        "roles.member": { inherits: ["viewer"] },
        "roles.viewer": { inherits: [] },
      }),
    ],
    [
      PAYMENTS,
      bucket({
        metadata: { id: PAYMENTS, name: "Payments", active: true },
        "members.alice": { role: "admin", since: "2026-01-31" },
        "members.bob": { role: "viewer", since: "2026-02-14" },
        "permissions.read-invoices": permission("invoice", "read", ["viewer", "member"]),
        "permissions.pay-invoices": permission("invoice", "pay", ["admin"]),
      }),
    ],
    [DEVELOPERS, developers()],
    [
      ARCHIVE,
      bucket({
        metadata: { id: ARCHIVE, name: "Archive", active: false },
        "members.alice": { role: "viewer", since: "2020-05-01" },
        "permissions.read-all": permission("record", "read", ["viewer"]),
      }),
    ],
  ]);
}

/** A group that is large enough for its first load to be worth looking at. */
function developers(): ReadonlyMap<string, unknown> {
  const entries = bucket({
    metadata: { id: DEVELOPERS, name: "Developers", active: true },
    "members.bob": { role: "member", since: "2026-03-01" },
    "members.carol": { role: "admin", since: "2025-11-20" },
    "permissions.push-code": permission("code", "push", ["member"]),
    "permissions.deploy": permission("service", "deploy", ["admin"]),
  });
  for (let index = 1; index <= MANY_MEMBERS; index++) {
    const user = `dev-${String(index).padStart(4, "0")}`;
    entries.set(`members.${user}`, {
      role: index % 10 === 0 ? "admin" : "member",
      since: "2026-06-01",
    });
  }
  return entries;
}

function permission(resource: string, action: string, roles: readonly string[]): object {
  return { resource, action, roles, effect: "allow" };
}

function bucket(entries: Readonly<Record<string, unknown>>): Map<string, unknown> {
  return new Map(Object.entries(entries));
}
