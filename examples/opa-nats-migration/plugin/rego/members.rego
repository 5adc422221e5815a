# As OPA with the plugin opa-nats takes it: a bucket for each group, and its two builtins.
package members

import rego.v1

default watched := false

watched := nats.kv.watch_bucket(input.group)

# The members of the group: from memory once its bucket is watched, and from NATS until then.
list := data.nats.kv[input.group].members if watched

list := nats.kv.get_data(input.group, "members") if not watched

default may_enter := false

# Users are in the root bucket, at the top of data.
may_enter if {
	list[input.user]
	not data.users[input.user].suspended
}
