/** Where the text's links lead that stay within the project; those in code are none. */
export function relativeLinks(text: string): string[] {
  const prose = text.replaceAll(/^```[^]*?^```/gm, "").replaceAll(/`[^`\n]*`/g, "``");
  const links = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, to]) => to!);
  return links.filter((to) => !/^[a-z]+:/.test(to));
}
