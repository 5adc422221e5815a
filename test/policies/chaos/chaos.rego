# What the chaos harness asks all the time: one key of one bucket, by each of the ways a policy has.
package chaos

answer := {
	"watched": nats.kv.watch_bucket(input.bucket),
	"asked": nats.kv.get_data(input.bucket, input.key),
	"resident": resident,
}

default resident := null

resident := object.get(data.members, path, null) if input.root

resident := object.get(data.nats.kv, array.concat([input.bucket, "members"], path), null) if not input.root

# Every key of the harness is below "members", which also keeps those of a root bucket in one place.
path := array.slice(split(input.key, "."), 1, 9)

default document := null

document := data.members if input.root

document := data.nats.kv[input.bucket].members if not input.root
