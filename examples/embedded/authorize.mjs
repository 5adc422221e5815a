// Lets a request through when the policy allows it, and only then.

/**
 * A preHandler hook that asks the policy about each request: who (the header x-user), in which group (the path),
 * wants to do what (`config: { resource, action }` of the route). A route without `config` is open to nobody.
 *
 * Answers 403 with the policy's reason, and 503 where no decision can be made: a retry may help there, but nobody
 * gets in meanwhile.
 */
export function authorize(bridge) {
  return async (request, reply) => {
    const { resource = null, action = null } = request.routeOptions.config;
    const { group = null } = request.params;
    // Set by the proxy in front, which has checked who it is; a service without one looks at a token here.
    const user = request.headers["x-user"] ?? null;
    let decision;
    try {
      decision = (await bridge.decide("authz/decision", { user, group, resource, action })).result;
    } catch (error) {
      request.log.error(error, "no decision");
      return reply.code(503).send({ error: "no decision can be made", code: error.code });
    }
    if (decision?.allow === true) return undefined;
    return reply.code(403).send({ error: "forbidden", reason: decision?.reason ?? "no decision" });
  };
}
