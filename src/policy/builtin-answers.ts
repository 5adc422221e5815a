import type { Builtin, BuiltinFamily } from "./builtins/registry.ts";
import { jsonText, parseValue } from "./builtins/value-text.ts";

/** Builtins that may answer the same question differently another time, as in OPA; and ours. */
const NON_DETERMINISTIC: ReadonlySet<string> = new Set([
  "http.send",
  "nats.kv.get_data",
  "nats.kv.status",
  "nats.kv.watch_bucket",
  "net.lookup_ip_addr",
  "opa.runtime",
  "rand.intn",
  "time.now_ns",
  "uuid.rfc4122",
]);

/** What one decision may keep of them, in characters. */
const MAX_LENGTH = 32_768;

/**
 * What builtins that are not deterministic have answered while a decision was made, in OPA's format: by builtin, and
 * by the JSON text of the arguments. With it, a decision can be made again.
 */
export class BuiltinAnswers {
  readonly #answers = new Map<string, Map<string, string>>();
  #length = 0;

  /** Whether there was more than is kept; then nothing of it is. */
  get isTooLong(): boolean {
    return this.#length > MAX_LENGTH;
  }

  /** JSON text; undefined where there is nothing to show. */
  text(): string | undefined {
    if (this.#answers.size === 0 || this.isTooLong) return undefined;
    const parts = [...this.#answers].map(([name, byArguments]) => {
      const answers = [...byArguments].map(([key, answer]) => `${JSON.stringify(key)}:${answer}`);
      return `${JSON.stringify(name)}:{${answers.join(",")}}`;
    });
    return `{${parts.join(",")}}`;
  }

  note(name: string, args: readonly string[], answer: string): void {
    if (this.isTooLong) return;
    const key = `[${args.join(",")}]`;
    const answers = this.#answers.get(name) ?? new Map<string, string>();
    if (answers.has(key)) return;
    this.#answers.set(name, answers);
    answers.set(key, answer);
    this.#length += name.length + key.length + answer.length;
  }

  /** To be called before each evaluation: only the last one's answers have made the decision. */
  clear(): void {
    this.#answers.clear();
    this.#length = 0;
  }
}

/** The builtins, of which those that are not deterministic note their answers in a query that asks for it. */
export function noting(builtins: BuiltinFamily): BuiltinFamily {
  return builtins.map(([name, builtin]) => {
    if (!NON_DETERMINISTIC.has(name)) return [name, builtin];
    const noted: Builtin = (args, query) => {
      const answer = builtin(args, query);
      if (answer !== undefined && query.builtinAnswers !== undefined) {
        // Sets, which JSON does not have, become lists as they do in results.
        query.builtinAnswers.note(name, args, jsonText(parseValue(answer)));
      }
      return answer;
    };
    return [name, noted];
  });
}
