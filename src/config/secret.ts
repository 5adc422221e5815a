/** What is shown in place of a secret. */
export const HIDDEN = "<hidden>";

/**
 * A text that no log, message or JSON shows by accident (Node's inspect shows no private fields).
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The secret itself, for the one place that sends it. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return HIDDEN;
  }

  toJSON(): string {
    return HIDDEN;
  }
}

/** A secret that was given in place, or the absolute path of the file that holds it. */
export type SecretSource = { readonly value: Secret } | { readonly file: string };
