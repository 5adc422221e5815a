/** Where the parts report what an operator should know. Fastify's logger (pino) fits. Never given secrets. */
export interface Logger {
  /** What only who looks for a fault wants to know. */
  debug(details: object, message: string): void;
  /** What is as it should be. */
  info(details: object, message: string): void;
  /** What works, and should be looked at. */
  warn(details: object, message: string): void;
  /** What does not work. */
  error(details: object, message: string): void;
}

/** A logger that says nothing; the library's default. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
