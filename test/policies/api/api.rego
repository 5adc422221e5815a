# Decisions as OPA itself can make them too: no builtin of the bridge's own.
package api

default allow := false

allow if input.user == "alice"

echo := input

nothing := 1 if input.never

# Not what JSON.parse would make of them.
numbers := [9007199254740993, 1.50, 1e3, -0]

nested := {"a": [10, {"b": "deep"}], "text": "\u00e9\u0000<>&"}

quotient := 1 / input.divisor

member := data.nats.kv.team.members[input.user]

conflict := 1 if input.one

conflict := 2 if input.two
