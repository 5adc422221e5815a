package system.authz

default allow := false

# Anybody may ask for health, alice for what is hers, and the administrator for anything.
allow if input.path == ["health"]

allow if input.identity == "admin"

allow if {
	input.identity == "alice"
	input.path == ["v1", "data", "api", "echo"]
	input.method == "POST"
	input.body.input.user == "alice"
}

allow if input.headers["X-Let-Me-In"] == ["please"]

allow if input.params.ticket == ["42"]
