# Asks other hosts.
package outbound

import rego.v1

sent := http.send(input.request)

# The same question twice, and another one.
both := [a.raw_body, b.raw_body, c.raw_body] if {
	a := http.send(input.request)
	b := http.send(input.request)
	c := http.send(object.union(input.request, {"method": "POST"}))
}

addresses := net.lookup_ip_addr(input.host)
