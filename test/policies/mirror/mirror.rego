# Shows what is resident, and what can go wrong while it is read.
package mirror

# Every watched bucket, whole.
kv := data.nats.kv

# The root bucket's names that the tests use.
root["r1"] := data.r1

root["r2"] := data.r2

root["r3"] := data.r3

root["__proto__"] := data.__proto__

# Iterates over everything and compares.
sizes[bucket] := count(document) if some bucket, document in data.nats.kv

same if data.nats.kv.b1 == data.nats.kv.b2

# Aborts the evaluation with a conflict when there is more than one name.
conflict := name if some name in input.names

# Asks the host before it reads.
asked := [answer, data.nats.kv] if answer := nats.kv.get_data(input.bucket, input.key)
