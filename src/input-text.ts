import { BridgeError, messageOf } from "./errors.ts";

/** The JSON text of an input. Throws `INPUT_INVALID`. */
export function inputText(input: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(input);
  } catch (error) {
    throw new BridgeError("INPUT_INVALID", `The input is not a JSON value: ${messageOf(error)}.`, {
      cause: error,
    });
  }
  if (text !== undefined) return text;
  throw new BridgeError(
    "INPUT_INVALID",
    `The input is a ${typeof input}, which JSON does not have.`,
  );
}
