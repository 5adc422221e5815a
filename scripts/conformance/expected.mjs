import { compare, identity, RegoObject } from "../../dist/policy/builtins/value.js";
import { parseValue } from "../../dist/policy/builtins/value-text.js";

// What OPA expects of a case, compared with what the engine answered.

const CONFLICTS = ["var assignment conflict", "object insert conflict"];

/**
 * Why the answer is not the one that the case expects, undefined when it is.
 *
 * @param {object} test
 * @param {{result?: string, error?: Error}} answer
 * @returns {string | undefined}
 */
export function mismatch(test, { result, error }) {
  if (test.want_error_code !== undefined || test.want_error !== undefined) {
    if (error === undefined) return `an error was expected, not ${result}`;
    return wrongError(test, error.message);
  }
  if (error !== undefined) return error.message;
  const [wanted, got] = [bindings(test, test.want_result), bindings(test, result)];
  return wanted === got ? undefined : `expected ${test.want_result}, not ${result}`;
}

/** Whether the error's text is OPA's own, which nobody asks of what libraries say. */
export function sameText({ want_error: wanted = "" }, message) {
  return message.includes(wanted.replace(/^.*?eval_\w+_error: /, ""));
}

/** An error has to be of the kind that is expected, and come from the builtin that should fail. */
function wrongError(test, message) {
  const isConflict = CONFLICTS.some((conflict) => message.includes(conflict));
  const expectsConflict = test.want_error_code === "eval_conflict_error";
  if (isConflict !== expectsConflict) return `an error of another kind: ${message}`;
  const builtin = /^(?:.*?eval_\w+_error: )?([a-z_]+(?:\.[a-z_0-9]+)+): /.exec(
    test.want_error ?? "",
  );
  if (builtin === null || expectsConflict || message.startsWith(`${builtin[1]}: `))
    return undefined;
  return `an error of another builtin: ${message}`;
}

const compareTexts = (a, b) => (a < b ? -1 : Number(a > b));

/** A query's answers are a set; some cases leave the order within a binding open, too. */
function bindings({ sort_bindings: sorted }, text) {
  const answers = parseValue(text).map((answer) => {
    if (!sorted) return answer;
    return new RegoObject(
      answer.entries.map(([name, value]) => [
        name,
        Array.isArray(value) ? value.toSorted(compare) : value,
      ]),
    );
  });
  return [...new Set(answers.map(identity))].toSorted(compareTexts).join("\n");
}
