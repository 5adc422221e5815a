# What is logged of these decisions, log.rego says.
package app

default allow := false

allow if input.user == "alice"

echo := input

# Answers that may be others another time.
chance := {"now": time.now_ns(), "number": rand.intn(input.seed, 1000), "again": rand.intn(input.seed, 1000)}

kept := nats.kv.get_data(input.bucket, input.key)

# While the bucket is not there, another builtin is asked than afterwards.
late := {"at": when, "value": value} if {
	when := at
	value := nats.kv.get_data(input.bucket, input.key)
}

at := "later" if data.nats.kv[input.bucket]

else := time.now_ns()
