# One rule for each thing that a policy can ask of the bridge.
package basic

default allow := false

allow if input.user == "alice"

echo := input

bucket := data.nats.kv[input.bucket]

watched := nats.kv.watch_bucket(input.bucket)

value := nats.kv.get_data(input.bucket, input.key)

root := data.groups

status := nats.kv.status(input.bucket)

both := {"watched": watched, "value": value}

pair := {
	"got": nats.kv.get_data(input.first, input.key),
	"second": nats.kv.get_data(input.second, input.key),
	"seen": data.nats.kv[input.first][input.key],
}
