# The policies about the decision log itself; their input is the event.
package system.log

mask contains "/input/password"

mask contains {"op": "upsert", "path": "/input/card", "value": "hidden"} if input.input.card

mask contains "/result" if input.input.hide_result

mask contains "/nd_builtin_cache/rand.intn" if input.input.hide_numbers

# Not a mask: nothing of such an event may be shown.
mask contains 7 if input.input.bad_mask

drop if {
	input.path == "app/allow"
	input.input.user == "probe"
}
