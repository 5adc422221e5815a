# Run with: nats-opa-bridge test examples/groups --root-bucket permit-groups-default
package authz_test

import data.authz

group := "550e8400-e29b-41d4-a716-446655440000"

question := {"user": "alice", "group": group, "resource": "invoice", "action": "pay"}

test_member_with_the_role_may if authz.allow with input as question

test_member_without_the_role_may_not if {
	not authz.allow with input as object.union(question, {"user": "bob"})
}

test_nobody_in_a_group_that_is_not_there_may if {
	not authz.allow with input as object.union(question, {"group": "other"})
}

test_suspended_user_may_not if {
	not authz.allow with input as question with data.users.alice.suspended as true
}

test_group_that_is_not_active_has_no_rights if {
	not authz.allow with input as question with data.nats.kv["550e8400-e29b-41d4-a716-446655440000"].metadata.active as false
}

# The first question about a group, whose bucket is not watched yet.
test_first_question_is_answered_alike if {
	authz.allow with input as question with nats.kv.watch_bucket as false
}
