import type { FastifyRequest } from "fastify";

/** Who sends a request, as far as that is known. */
const identities = new WeakMap<FastifyRequest, string>();
const strangers = new WeakSet<FastifyRequest>();

export function setIdentity(request: FastifyRequest, identity: string): void {
  identities.set(request, identity);
}

/** The name that authentication has found out; undefined where there is none. */
export function identityOf(request: FastifyRequest): string | undefined {
  return identities.get(request);
}

/** Notes that a request is answered although nobody knows who sends it. */
export function markStranger(request: FastifyRequest): void {
  strangers.add(request);
}

/** Whether an answer should say no more than it must, because authentication is on and the sender unknown. */
export function isStranger(request: FastifyRequest): boolean {
  return strangers.has(request);
}
