# METADATA
# title: May this user do this?
# description: |
#   Every group has a NATS KV bucket of its own, named by the group's UUID:
#
#     metadata            {"name": "Payments", "active": true}
#     members.<user>      {"role": "admin", "since": "2026-01-31"}
#     permissions.<id>    {"resource": "invoice", "action": "pay", "roles": ["admin"], "effect": "allow"}
#
#   The root bucket, permit-groups-default, stands at the top of `data`:
#
#     users.<user>        {"name": "Alice", "groups": ["550e8400-…"], "suspended": false}
#     roles.<role>        {"inherits": ["viewer"]}
#
#   Ask with {"user": "alice", "group": "550e8400-…", "resource": "invoice", "action": "pay"}.
package authz

# Fail closed: no user, no group, no membership, no permission that says so means no.
default allow := false

allow if {
	not suspended
	metadata.active
	effects == {"allow"}
}

suspended if data.users[input.user].suspended

# True from the moment that the group's bucket is in memory. The first question about a group
# answers false here, and starts to watch its bucket behind the scenes.
default watched := false

watched := nats.kv.watch_bucket(input.group)

metadata := data.nats.kv[input.group].metadata if watched

metadata := nats.kv.get_data(input.group, "metadata") if not watched

member := data.nats.kv[input.group].members[input.user] if watched

# get_data waits for the bucket, so the first answer is as right as all others, just slower.
member := nats.kv.get_data(input.group, key("members", input.user)) if not watched

permissions := data.nats.kv[input.group].permissions if watched

permissions := nats.kv.get_data(input.group, "permissions") if not watched

key(prefix, name) := concat(".", [prefix, name])

# A member has its own role, and those that this role inherits directly.
roles contains member.role

roles contains role if some role in data.roles[member.role].inherits

# What the permissions that match say; a single "deny" among them is enough to refuse.
effects contains permission.effect if {
	some permission in permissions
	permission.resource == input.resource
	permission.action == input.action
	some role in permission.roles
	role in roles
}

# For people: why it was so.
reason := "the user is suspended" if {
	suspended
} else := "there is no such group, or it is not active" if {
	not metadata.active
} else := "the user is not a member of the group" if {
	not member.role
} else := "a permission denies it" if {
	"deny" in effects
} else := "a permission allows it" if {
	"allow" in effects
} else := "no permission allows it"

decision := {
	"allow": allow,
	"reason": reason,
	"watched": watched,
	"roles": roles,
}
