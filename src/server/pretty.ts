/** JSON for people: indented, without touching numbers or strings. */
export function indentJson(json: string): string {
  let out = "";
  let line = "\n";
  for (let index = 0; index < json.length; index++) {
    const character = json[index]!;
    switch (character) {
      case '"': {
        const end = stringEnd(json, index);
        out += json.slice(index, end);
        index = end - 1;
        break;
      }
      case "{":
      case "[": {
        const next = afterSpace(json, index + 1);
        if (json[next] === "}" || json[next] === "]") {
          out += character + json[next];
          index = next;
        } else {
          line += "  ";
          out += character + line;
        }
        break;
      }
      case "}":
      case "]":
        line = line.slice(0, -2);
        out += line + character;
        break;
      case ",":
        out += `,${line}`;
        break;
      case ":":
        out += ": ";
        break;
      default:
        if (!isSpace(character)) out += character;
    }
  }
  return out;
}

function isSpace(character: string | undefined): boolean {
  return character === " " || character === "\n" || character === "\r" || character === "\t";
}

function afterSpace(json: string, index: number): number {
  while (isSpace(json[index])) index++;
  return index;
}

/** `index` stands on the opening quote; the answer is the index behind the closing one. */
function stringEnd(json: string, index: number): number {
  for (;;) {
    index = json.indexOf('"', index + 1);
    let backslashes = 0;
    while (json[index - 1 - backslashes] === "\\") backslashes++;
    if (backslashes % 2 === 0) return index + 1;
  }
}
