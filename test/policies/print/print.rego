package printing

texts if {
	print("text", 1.50, true, null, input.missing, {"b", 1}, [x | some x in input.list], {"a": "b"})
	some each in input.list
	print(each, "of", input.list)
	trace("noted")
	each == 2
}

waits := value if {
	print("before", input.bucket)
	value := nats.kv.get_data(input.bucket, "key")
	print("after", value)
}

fails if {
	print("trying")
	to_number(input.text) > 0
}

many if {
	every number in numbers.range(1, 5000) {
		print(number)
	}
}

long if print(input.text)

choices if print(walk(input.list), walk(input.list), walk(input.list), walk(input.list))

few if print(walk([1, "a"]), "and", walk([]))

set := {1, 2} if print("a set")

never if print()
