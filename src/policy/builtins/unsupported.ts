const NOWHERE = "policies may reach no host; allow some in outbound.allow_net";

/** OPA's builtins that a policy can't call here, and why; those that need other hosts, unless some are allowed. */
export const UNSUPPORTED_BUILTINS: ReadonlyMap<string, string> = new Map([
  ["assign", "OPA's compiler rewrites it, no policy module calls it"],
  ["eq", "OPA's compiler rewrites it, no policy module calls it"],
  ["rego.metadata.chain", "OPA's compiler puts the answer in its place, no policy module calls it"],
  ["rego.metadata.rule", "OPA's compiler puts the answer in its place, no policy module calls it"],
  ["rego.parse_module", "needs OPA's parser of Rego, which exists in Go only"],
  ["http.send", NOWHERE],
  ["net.lookup_ip_addr", NOWHERE],
]);
