import { readFile } from "node:fs/promises";
import { parser } from "@prometheus-io/lezer-promql";
import { parse as parseYaml } from "yaml";
import { ROOT } from "./blocks.ts";

export interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** A label that is asked for; without a value it is one to group by. */
export interface AskedLabel {
  readonly name: string;
  readonly operator?: string;
  readonly value?: string;
}

/** What an expression asks of one metric. */
export interface Asked {
  readonly metric: string;
  readonly labels: readonly AskedLabel[];
}

/** The rules of docs/alerts.yaml. */
export async function rules(): Promise<Rule[]> {
  const text = await readFile(`${ROOT}docs/alerts.yaml`, "utf8");
  const { groups } = parseYaml(text) as { groups: { rules: Rule[] }[] };
  return groups.flatMap((group) => group.rules);
}

/** The metrics of an expression, with their labels and those that it groups by. Throws where it is not PromQL. */
export function askedBy(expr: string): Asked[] {
  const asked: { metric: string; labels: AskedLabel[] }[] = [];
  const groupedBy: AskedLabel[] = [];
  let label = "";
  let operator = "";
  let grouping = false;
  parser.parse(expr).iterate({
    enter({ name, from, to, type }) {
      const text = expr.slice(from, to);
      if (type.isError) throw new Error(`not PromQL at ${JSON.stringify(expr.slice(from))}`);
      if (name === "VectorSelector") grouping = false;
      if (name === "GroupingLabels") grouping = true;
      if (name === "Identifier") asked.push({ metric: text, labels: [] });
      if (name === "MatchOp") operator = text;
      if (name === "LabelName" && grouping) groupedBy.push({ name: text });
      else if (name === "LabelName") label = text;
      if (name === "StringLiteral") {
        asked.at(-1)!.labels.push({ name: label, operator, value: JSON.parse(text) as string });
      }
    },
    leave({ name }) {
      if (name === "GroupingLabels") grouping = false;
    },
  });
  return asked.map(({ metric, labels }) => ({ metric, labels: [...labels, ...groupedBy] }));
}
