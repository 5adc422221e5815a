import { fillBucket, memberText, members } from "./nats.mjs";

/** The example's group with this many members and 20 permissions: [key, JSON text]. */
export function* group(count) {
  yield ["metadata", '{"name":"Group","active":true}'];
  for (let index = 0; index < 20; index++) {
    const roles = index % 2 === 0 ? ["admin"] : ["member", "viewer"];
    const permission = { resource: `resource-${index}`, action: "read", roles, effect: "allow" };
    yield [`permissions.permission-${index}`, JSON.stringify(permission)];
  }
  yield* members(count);
}

export const ROLES = { admin: { inherits: ["member"] }, member: { inherits: ["viewer"] } };

/** Fills the example's buckets: `group` with so many members, and `root`. */
export async function fillExample(connection, count) {
  await fillBucket(connection, "group", group(count));
  const roles = Object.entries(ROLES);
  await fillBucket(
    connection,
    "root",
    roles.map(([role, value]) => [`roles.${role}`, JSON.stringify(value)]),
  );
}

/** Inputs that ask for different members and permissions. */
export function inputs(count, howMany) {
  return Array.from({ length: howMany }, (_, index) => ({
    user: `user-${String((index * 7_919) % count).padStart(7, "0")}`,
    group: "group",
    resource: `resource-${index % 20}`,
    action: "read",
  }));
}

/** All of it as one document, as OPA would be given it. */
export function wholeDocument(count) {
  const document = {};
  for (const [key, text] of group(count)) {
    const [first, second] = key.split(".");
    if (second === undefined) document[first] = JSON.parse(text);
    else (document[first] ??= {})[second] = JSON.parse(text);
  }
  return { roles: ROLES, nats: { kv: { group: document } } };
}

export { memberText };
