# Builtins that the module brings itself, and others.
package builtins

# The module's own, and its failure is undefined.
number := to_number(input.text)

# Sets go to builtins and come back as what they are.
distinct := count(json.patch({"all": {1, 2}}, [{"op": "add", "path": ["all", 2], "value": 2}]).all)

digits := sprintf("%d", [input.big])

token := io.jwt.decode_verify(input.token, {"cert": input.cert})
