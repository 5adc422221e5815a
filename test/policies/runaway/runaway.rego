package runaway

# Decisions that take what they are asked for, of time, memory or depth.

import rego.v1

default small := false

small if input.user == "alice"

# Loops of the policy's own.
turns := count([1 |
	some i in numbers.range(1, input.n)
	some j in numbers.range(1, input.n)
	i * j == -1
])

# Loops over data.
pairs := count([1 |
	some a in data.nats.kv.members
	some b in data.nats.kv.members
	some c in data.nats.kv.members
	a.id == concat(b.id, [c.id, "-"])
])

# Calls without loops: 2 ** 26 of them.
f1(x) := f2(x) + f2(x + 1)

f2(x) := f3(x) + f3(x + 1)

f3(x) := f4(x) + f4(x + 1)

f4(x) := f5(x) + f5(x + 1)

f5(x) := f6(x) + f6(x + 1)

f6(x) := f7(x) + f7(x + 1)

f7(x) := f8(x) + f8(x + 1)

f8(x) := f9(x) + f9(x + 1)

f9(x) := f10(x) + f10(x + 1)

f10(x) := f11(x) + f11(x + 1)

f11(x) := f12(x) + f12(x + 1)

f12(x) := f13(x) + f13(x + 1)

f13(x) := f14(x) + f14(x + 1)

f14(x) := f15(x) + f15(x + 1)

f15(x) := f16(x) + f16(x + 1)

f16(x) := f17(x) + f17(x + 1)

f17(x) := f18(x) + f18(x + 1)

f18(x) := f19(x) + f19(x + 1)

f19(x) := f20(x) + f20(x + 1)

f20(x) := f21(x) + f21(x + 1)

f21(x) := f22(x) + f22(x + 1)

f22(x) := f23(x) + f23(x + 1)

f23(x) := f24(x) + f24(x + 1)

f24(x) := f25(x) + f25(x + 1)

f25(x) := f26(x) + f26(x + 1)

f26(x) := x % 7

calls := f1(input.n)

# Calls that do nothing but call: 4 ** 14 of them.
same_0(x) := x

same_1(x) := same_0(same_0(same_0(same_0(x))))

same_2(x) := same_1(same_1(same_1(same_1(x))))

same_3(x) := same_2(same_2(same_2(same_2(x))))

same_4(x) := same_3(same_3(same_3(same_3(x))))

same_5(x) := same_4(same_4(same_4(same_4(x))))

same_6(x) := same_5(same_5(same_5(same_5(x))))

same_7(x) := same_6(same_6(same_6(same_6(x))))

same_8(x) := same_7(same_7(same_7(same_7(x))))

same_9(x) := same_8(same_8(same_8(same_8(x))))

same_10(x) := same_9(same_9(same_9(same_9(x))))

same_11(x) := same_10(same_10(same_10(same_10(x))))

same_12(x) := same_11(same_11(same_11(same_11(x))))

same_13(x) := same_12(same_12(same_12(same_12(x))))

same_14(x) := same_13(same_13(same_13(same_13(x))))

nested := same_14(input.x)

# Loops inside what the module brings itself.
search := count([i | some i in numbers.range(1, input.n); indexof(input.text, input.part) == i])

range := count(numbers.range(1, input.n))

# Calls of the host.
texts := count([t | some i in numbers.range(1, input.n); t := sprintf("%v", [i]); t == "x"])

# Memory: in a few large blocks, with hardly a step between them, and in many small ones.
doubled if {
	d1 := concat("", [input.text, input.text])
	d2 := concat("", [d1, d1, d1, d1])
	d3 := concat("", [d2, d2, d2, d2])
	d4 := concat("", [d3, d3, d3, d3])
	d5 := concat("", [d4, d4, d4, d4])
	d6 := concat("", [d5, d5, d5, d5])
	d7 := concat("", [d6, d6, d6, d6])
	d8 := concat("", [d7, d7, d7, d7])
	d8 != ""
}

objects := count({i: {j: [i, j] | some j in numbers.range(1, 1000)} | some i in numbers.range(1, input.n)})

# Depth.
depth := count(json.marshal(json.unmarshal(input.text)))

walked := count([path | some [path, _] in walk(json.unmarshal(input.text))])

# A loop of a rule's own, with nothing before it.
looped if {
	some a in input.items
	some b in input.items
	some c in input.items
	(a + b) + c == -1
}

# One call of a builtin that the module brings itself, over what the input holds.
sorted := count(sort(input.items))

matched := count(regex.find_all_string_submatch_n(input.pattern, input.text, -1))

# A value that takes little memory, and no end of steps to look through: each level holds the one below twice.
twice(x) := [x, x]

shared_4(x) := twice(twice(twice(twice(x))))

shared_16(x) := shared_4(shared_4(shared_4(shared_4(x))))

hashed := count({shared_16(shared_16(input.x))})

compared if shared_16(shared_16([input.x])) == shared_16(shared_16([input.y]))
