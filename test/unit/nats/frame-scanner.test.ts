import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FrameScanner, type MessageHandler } from "../../../src/nats/wire/frame-scanner.ts";

const OURS = 7;
const ALSO_OURS = 12;

/** What came out, in order; bytes that are passed on one after the other are one entry. */
type Heard = { passed: string } | { sid: number; subject: string; reply: string; data: string };

class Recorder {
  readonly heard: Heard[] = [];
  readonly handlers: Map<number, MessageHandler> = new Map(
    [OURS, ALSO_OURS].map((sid) => [
      sid,
      ({ bytes, subjectStart, subjectEnd, replyStart, replyEnd, dataStart, dataEnd }) => {
        this.heard.push({
          sid,
          subject: bytes.toString("latin1", subjectStart, subjectEnd),
          reply: bytes.toString("latin1", replyStart, replyEnd),
          data: bytes.toString("latin1", dataStart, dataEnd),
        });
      },
    ]),
  );

  pass(text: string): void {
    const last = this.heard.at(-1);
    if (last !== undefined && "passed" in last) last.passed += text;
    else this.heard.push({ passed: text });
  }

  scanner(): FrameScanner {
    return new FrameScanner(this.handlers, (bytes) => this.pass(bytes.toString("latin1")));
  }
}

interface Frame {
  readonly text: string;
  readonly message?: { sid: number; subject: string; reply: string; data: string };
}

const word = fc.stringMatching(/^[a-zA-Z0-9$_>*.-]{1,20}$/);
const payload = fc.oneof(
  fc.string({ unit: "binary-ascii", maxLength: 40 }),
  fc.constantFrom("", "\r\n", "MSG a 7 1\r\nx\r\n", "PING\r\n", "x".repeat(5_000)),
);
const sid = fc.constantFrom(OURS, ALSO_OURS, 1, 77);

const plain = fc
  .tuple(word, sid, fc.option(word, { nil: "" }), payload)
  .map(([subject, number, reply, data]): Frame => {
    const line = ["MSG", subject, number, ...(reply === "" ? [] : [reply]), data.length].join(" ");
    return {
      text: `${line}\r\n${data}\r\n`,
      message: { sid: number, subject, reply, data },
    };
  });
const withHeaders = fc.tuple(word, sid, payload).map(([subject, number, data]): Frame => {
  const headers = "NATS/1.0\r\nA: b\r\n\r\n";
  const sizes = `${headers.length} ${headers.length + data.length}`;
  return { text: `HMSG ${subject} ${number} ${sizes}\r\n${headers}${data}\r\n` };
});
const other = fc
  .constantFrom("PING", "PONG", "+OK", "-ERR 'MSG is no'", `INFO {"a":"${"b".repeat(300)}"}`)
  .map((line): Frame => ({ text: `${line}\r\n` }));
const frames = fc.array(fc.oneof({ weight: 3, arbitrary: plain }, withHeaders, other), {
  maxLength: 40,
});

function expected(all: readonly Frame[], handled: ReadonlyMap<number, unknown>): Heard[] {
  const recorder = new Recorder();
  for (const { text, message } of all) {
    if (message !== undefined && handled.has(message.sid)) recorder.heard.push(message);
    else recorder.pass(text);
  }
  return recorder.heard;
}

/** Cuts a text at the places named, in any order. */
function chunks(text: string, cuts: readonly number[]): Buffer[] {
  const places = cuts.map((cut) => cut % (text.length + 1)).toSorted((a, b) => a - b);
  return [...places, text.length].map((end, index) =>
    Buffer.from(text.slice(places[index - 1] ?? 0, end), "latin1"),
  );
}

describe("frames of what a server sends", () => {
  it("W5 each goes where it belongs, whole and in order, however the bytes arrive", () => {
    fc.assert(
      fc.property(
        frames,
        fc.array(fc.nat(), { maxLength: 60 }),
        fc.boolean(),
        (all, cuts, hurry) => {
          const recorder = new Recorder();
          const scanner = recorder.scanner();
          for (const chunk of chunks(all.map(({ text }) => text).join(""), cuts)) {
            let rest: Buffer | undefined = chunk;
            while (rest !== undefined) rest = scanner.scan(rest, hurry ? -Infinity : Infinity);
          }
          expect(recorder.heard).toEqual(expected(all, recorder.handlers));
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it("comes back when its time is over, and goes on where it was", () => {
    const recorder = new Recorder();
    const scanner = recorder.scanner();
    const text = `MSG a ${OURS} 1\r\nx\r\n`.repeat(100);
    let rest: Buffer | undefined = Buffer.from(text);
    let calls = 0;
    for (; rest !== undefined; calls++) {
      const before = recorder.heard.length;
      rest = scanner.scan(rest, -Infinity);
      expect(recorder.heard.length - before).toBeLessThanOrEqual(16);
    }
    expect(recorder.heard).toHaveLength(100);
    expect(calls).toBe(7);
  });

  it("leaves a subscription's messages alone once its handler is gone", () => {
    const recorder = new Recorder();
    const scanner = recorder.scanner();
    const text = `MSG a ${OURS} 1\r\nx\r\n`;
    scanner.scan(Buffer.from(text), Infinity);
    recorder.handlers.delete(OURS);
    scanner.scan(Buffer.from(text), Infinity);
    expect(recorder.heard).toEqual([
      { sid: OURS, subject: "a", reply: "", data: "x" },
      { passed: text },
    ]);
  });

  it.each([
    "MSG a 7\r\n",
    "MSG a x 1\r\n",
    "MSG a 7 b c\r\n",
    "MSG a 7 -1\r\n",
    "MSG\r\n",
    "H\r\n",
  ])("%j is refused", (line) => {
    expect(() => new Recorder().scanner().scan(Buffer.from(line), Infinity)).toThrow(
      expect.objectContaining({ code: "NATS_PROTOCOL" }),
    );
  });

  it("a first line without an end is not kept for ever", () => {
    const scanner = new Recorder().scanner();
    const chunk = Buffer.alloc(64 * 1024, "a");
    scanner.scan(Buffer.from("MSG "), Infinity);
    expect(() => {
      for (let count = 0; count < 32; count++) scanner.scan(chunk, Infinity);
    }).toThrow(expect.objectContaining({ code: "NATS_PROTOCOL" }));
  });
});
