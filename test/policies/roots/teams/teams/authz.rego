package teams.authz

import rego.v1

default allow := false

allow if input.user in data.teams.admins

# What another bundle brings.
labels := data.labels

# What a bucket brings, asked for and as it is in memory.
waiting := [nats.kv.get_data("slow", input.key), object.get(data.nats.kv.slow, input.key, null)]

# What the root bucket brings.
root := data.settings
