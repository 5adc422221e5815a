/** Whether a path matches a pattern as of Go's `filepath.Match`; a pattern that is none matches nothing. */
export function matchesPath(pattern: string, path: string): boolean {
  const expression = expressionOf(pattern);
  return expression !== undefined && expression.test(path);
}

/** `*` any but a slash, `?` one of those, `[a-z]` and `[^a-z]` a class, `\` takes the next as it is. */
function expressionOf(pattern: string): RegExp | undefined {
  let source = "";
  for (let index = 0; index < pattern.length; index++) {
    const char = pattern[index]!;
    if (char === "*") source += "[^/]*";
    else if (char === "?") source += "[^/]";
    else if (char === "[") {
      const end = pattern.indexOf("]", index + 2);
      if (end < 0) return undefined;
      const inside = pattern.slice(index + 1, end);
      source += `(?!/)[${inside.replaceAll(/[\\[]/g, "\\$&")}]`;
      index = end;
    } else {
      if (char === "\\") index++;
      if (index >= pattern.length) return undefined;
      source += pattern[index]!.replace(/[\\^$.*+?()[\]{}|/]/, "\\$&");
    }
  }
  try {
    return new RegExp(`^${source.replaceAll(/(?:\[\^\/\]\*){2,}/g, "[^/]*")}$`, "su");
  } catch {
    return undefined;
  }
}
