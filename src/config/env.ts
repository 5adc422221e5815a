/**
 * A text whose `${NAME}` references have been replaced, and what the operator should know about
 * that.
 */
export interface Substitution {
  readonly text: string;
  readonly warnings: readonly string[];
}

/**
 * Replaces `${NAME}` in the raw text of a configuration file by the environment variable's value,
 * as OPA does before parsing: a value with characters that mean something in YAML belongs in
 * quotes. A variable that isn't set is replaced by nothing, with a warning. There are no defaults
 * (`${NAME:-x}`) and no escapes.
 */
export function substituteEnv(
  text: string,
  env: Readonly<Record<string, string | undefined>>,
): Substitution {
  const warnings = new Set<string>();
  const replaced = text.replaceAll(
    /\$\{([^}\n]*)\}/g,
    (_reference, name: string, offset: number) => {
      const value = Object.hasOwn(env, name) ? env[name] : undefined;
      if (value === undefined && !inComment(text, offset)) warnings.add(warningFor(name));
      return value ?? "";
    },
  );
  return { text: replaced, warnings: [...warnings] };
}

function warningFor(name: string): string {
  const plain = /^[A-Za-z_][A-Za-z0-9_]*/.exec(name)?.[0] ?? "";
  if (plain === name && name !== "") {
    return `The environment variable ${name} is not set; \${${name}} was replaced by nothing.`;
  }
  // The rest of such a reference is often a default, which can be a secret: it is not shown.
  return `\${${plain}…} is not a plain \${NAME}; it was replaced by nothing. Defaults in references are not supported.`;
}

/** A line that is nothing but a comment can't miss a variable. */
function inComment(text: string, offset: number): boolean {
  return /^\s*#/.test(text.slice(text.lastIndexOf("\n", offset) + 1, offset));
}
