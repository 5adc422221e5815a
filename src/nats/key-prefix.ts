const KV = "$KV.";

/** Cuts the key out of a subject: what stands behind `$KV.<bucket>.`. */
export class KeyPrefix {
  #text = "";
  #bytes: Uint8Array = new Uint8Array();

  /** Without a bucket's name the first subject tells it. */
  constructor(bucket: string | undefined) {
    if (bucket !== undefined) this.#set(`${KV}${bucket}.`);
  }

  /** The key; undefined where the subject is not one of the bucket's. */
  keyOf(subject: string): string | undefined {
    if (this.#text === "") {
      const end = subject.startsWith(KV) ? subject.indexOf(".", KV.length) : -1;
      if (end < 0) return undefined;
      this.#set(subject.slice(0, end + 1));
    }
    return subject.startsWith(this.#text) ? subject.slice(this.#text.length) : undefined;
  }

  /** The same of a subject that lies in `bytes`. A string of its own: one cut out of another keeps that one. */
  keyIn(bytes: Buffer, start: number, end: number): string | undefined {
    if (this.#text === "") return this.keyOf(bytes.toString("utf8", start, end));
    const prefix = this.#bytes;
    if (end - start < prefix.length) return undefined;
    for (let index = 0; index < prefix.length; index++) {
      if (bytes[start + index] !== prefix[index]) return undefined;
    }
    return bytes.toString("utf8", start + prefix.length, end);
  }

  #set(text: string): void {
    this.#text = text;
    this.#bytes = Buffer.from(text);
  }
}
