# What is logged of these decisions, log.rego says.
package app

default allow := false

allow if input.user == "alice"

echo := input

# Answers that may be others another time.
chance := {"now": time.now_ns(), "number": rand.intn(input.seed, 1000), "again": rand.intn(input.seed, 1000)}

kept := nats.kv.get_data(input.bucket, input.key)
