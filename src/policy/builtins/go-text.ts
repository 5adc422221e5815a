import { isUtf8 } from "node:buffer";

/** Text of bytes as Go writes it into JSON: each byte that is no part of UTF-8 is U+FFFD. */
export function goText(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString("utf8");
  let text = "";
  for (let at = 0; at < bytes.length;) {
    const length = [1, 2, 3, 4].find((size) => isUtf8(bytes.subarray(at, at + size)));
    text += length === undefined ? "\uFFFD" : bytes.toString("utf8", at, at + length);
    at += length ?? 1;
  }
  return text;
}

/** A text's bytes in UTF-8, one character each. */
export function byteString(text: string): string {
  return Buffer.from(text).toString("latin1");
}

/** The text that a {@link byteString} stands for. */
export function textOfBytes(bytes: string): string {
  return goText(Buffer.from(bytes, "latin1"));
}

/** Whether Go's `base64.StdEncoding` decodes it. */
export function isBase64(text: string): boolean {
  const plain = text.replaceAll(/[\r\n]/g, "");
  return plain.length % 4 === 0 && /^[A-Za-z\d+/]*={0,2}$/.test(plain);
}

/** `base64.StdEncoding.DecodeString` of Go; throws for what is no base64. */
export function decodeBase64(text: string): Buffer {
  if (!isBase64(text)) throw new Error("illegal base64 data");
  return Buffer.from(text, "base64");
}
