package system

# The default decision: what OPA asks when a request names none.
main := {"input": input} if not input.undefined
