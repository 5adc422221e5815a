import { join } from "node:path";
import {
  createProgram,
  type CompilerOptions,
  flattenDiagnosticMessageText,
  getPreEmitDiagnostics,
  ModuleKind,
  ModuleResolutionKind,
  type Program,
  ScriptTarget,
} from "typescript";
import { ROOT } from "./blocks.ts";

const OPTIONS: CompilerOptions = {
  target: ScriptTarget.ES2022,
  module: ModuleKind.NodeNext,
  moduleResolution: ModuleResolutionKind.NodeNext,
  lib: ["lib.es2023.d.ts", "lib.esnext.disposable.d.ts", "lib.dom.d.ts"],
  typeRoots: [join(ROOT, "node_modules/@types")],
  types: ["node"],
  strict: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: true,
  noEmitOnError: true,
};

/** A file as a strict user's compiler reads it, and what is wrong with it, types and all. */
export function typeChecked(
  file: string,
  options: CompilerOptions = {},
): { program: Program; problems: string[] } {
  const program = createProgram([file], { ...OPTIONS, ...options });
  const problems = getPreEmitDiagnostics(program).map(({ messageText }) =>
    flattenDiagnosticMessageText(messageText, "\n"),
  );
  return { program, problems };
}
