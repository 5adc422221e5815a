import type { FastifyInstance } from "fastify";
import { BridgeError } from "../errors.ts";

/** What OPA's clients may ask for, and needs a compiler for Rego at run time: 501, and why. */
const NEEDS_A_COMPILER: readonly (readonly [
  methods: readonly ("GET" | "POST" | "PUT" | "DELETE")[],
  url: string,
])[] = [
  [["GET", "POST"], "/v1/query"],
  [["POST"], "/v1/compile"],
  [["POST"], "/v1/compile/*"],
  [["GET"], "/v1/policies"],
  [["GET", "PUT", "DELETE"], "/v1/policies/*"],
];

/** Says of OPA's routes that can't be served here that they can't, instead of not knowing them. */
export function unsupportedRoutes(app: FastifyInstance): void {
  for (const [methods, url] of NEEDS_A_COMPILER) {
    app.route({
      method: [...methods],
      url,
      handler: async () => {
        throw new BridgeError(
          "NOT_SUPPORTED",
          "Policies are compiled to WebAssembly before they get here: there is no Rego to query, compile, show or write. Build a bundle, and ask for its decisions at /v1/data/<path>.",
        );
      },
    });
  }
}
