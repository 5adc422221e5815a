package docs.authz

import rego.v1

default read := false

read if input.doc in data.docs.public

read if input.user in data.teams.admins

# What other bundles and the buckets bring.
everything.labels := data.labels

everything.teams := data.teams

everything.settings := data.settings

everything.kv := data.nats.kv
