import type { RegoObject } from "../value.ts";
import { Evaluator } from "./evaluator.ts";
import { MAIN, parseTemplate } from "./parser.ts";
import { checkVariables } from "./values.ts";

/** More than that is no template. */
const MAX_TEMPLATE = 2 ** 20;

/** `strings.render_template`: Go's text/template on the variables; throws what OPA would call a builtin error. */
export function renderTemplate(template: string, variables: RegoObject): string {
  if (template.length > MAX_TEMPLATE) {
    throw new Error(`a template of more than ${MAX_TEMPLATE} characters`);
  }
  checkVariables(variables);
  const text = new Evaluator(parseTemplate(template), template).run(MAIN, variables);
  return text.replaceAll("<no value>", "<undefined>");
}
