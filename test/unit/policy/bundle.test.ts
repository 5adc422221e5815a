import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BridgeError } from "../../../src/errors.ts";
import { BaseData } from "../../../src/policy/base-data.ts";
import { parseBundle, readBundle } from "../../../src/policy/bundle.ts";
import { bundle, MANIFEST, MODULE, policyWith, refusal, tar } from "./bundle-kit.ts";

const BASIC = new URL("../../policies/basic/bundle.tar.gz", import.meta.url).pathname;

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "bundle-test-"));
});

afterAll(async () => {
  await rm(directory, { recursive: true });
});

describe("a bundle", () => {
  it("is read as opa build writes it, with leading slashes", async () => {
    const { revision, roots, wasm, data, packages } = await readBundle(BASIC);
    expect({ revision, roots, data: data.text(), packages }).toEqual({
      revision: "basic-1",
      roots: [""],
      data: "{}",
      packages: [["basic"]],
    });
    expect(WebAssembly.validate(wasm as BufferSource)).toBe(true);
  });

  it("may be a plain module, which owns all of data", async () => {
    const { wasm, ...rest } = await parseBundle(MODULE, "policy.wasm");
    expect(rest).toEqual({ revision: "", roots: [""], data: BaseData.none, packages: [] });
    expect(Buffer.from(wasm!)).toEqual(MODULE);
  });

  it("takes revision, roots and module from its manifest", async () => {
    const wasm = [{ entrypoint: "a/b", module: "/deep/down/policy.wasm" }];
    const bytes = await bundle([
      ["/.manifest", JSON.stringify({ ...MANIFEST, wasm })],
      ["/policy.wasm", "a decoy, and not WebAssembly"],
      ["/deep/down/policy.wasm", MODULE],
    ]);
    const found = await parseBundle(bytes, "b");
    expect(found).toMatchObject({ revision: "r1", roots: ["a"] });
    expect(Buffer.from(found.wasm!)).toEqual(MODULE);
  });

  it.each(["policy.wasm", "./policy.wasm", "//policy.wasm", "/some/folder/policy.wasm"])(
    "has its module at %s where no manifest says otherwise",
    async (name) => {
      const found = await parseBundle(await bundle([[name, MODULE]]), "b");
      expect(Buffer.from(found.wasm!)).toEqual(MODULE);
    },
  );

  it("puts each data file at its folder's path, merged field by field, digit for digit", async () => {
    const bytes = await policyWith(
      ["/data.json", '{"a": {"x": 9007199254740993}, "kept": 1.50}'],
      ["/a/data.json", '{"y": {"z": 1e400}}'],
      ["/a/y/data.yaml", "big: 12345678901234567890\nneg: -9007199254740993\nflag: true\n"],
      ["/b/data.yml", ""],
      ["/b/other.json", '{"ignored": true}'],
      ["/__proto__/data.json", '{"constructor": {"prototype":1}}'],
    );
    const { data } = await parseBundle(bytes, "b");
    expect(data.text()).toBe(
      '{"a":{"x":9007199254740993,"y":{"z":1e400,"big":12345678901234567890,"neg":-9007199254740993,"flag":true}},' +
        '"kept":1.50,"b":{},"__proto__":{"constructor":{"prototype":1}}}',
    );
  });

  it("merges thousands of data files in a moment", async () => {
    const files = Array.from({ length: 3_000 }, (_, index) => {
      return [`/d${index}/data.json`, `{"text": "${"x".repeat(500)}"}`] as const;
    });
    const bytes = await policyWith(...files);
    const start = performance.now();
    const { data } = await parseBundle(bytes, "b");
    expect(performance.now() - start).toBeLessThan(3_000);
    expect(data.names.size).toBe(3_000);
  });

  it("knows the packages of its Rego", async () => {
    const bytes = await policyWith(
      ["/a.rego", '# package no\n\tpackage a.b["c-d"].e # why\nx := 1'],
      ["/b.rego", "package system.log\n"],
      ["/c.rego", "# nothing in it"],
    );
    const { packages } = await parseBundle(bytes, "b");
    expect(packages).toEqual([
      ["a", "b", "c-d", "e"],
      ["system", "log"],
    ]);
  });

  it("passes over folders and what else an archive may hold", async () => {
    const bytes = await policyWith(
      ["/folder/", { type: "directory" }],
      ["/.signatures.json", "{}"],
      ["/pipe", { type: "fifo" }],
      [`/${"long-name-".repeat(30)}/readme.txt`, "pax"],
    );
    expect((await parseBundle(bytes, "b")).data.isEmpty).toBe(true);
  });
});

describe("what is not a bundle", () => {
  const junk = Buffer.from("rubbish ".repeat(300));
  it.each<[string, () => Buffer | Promise<Buffer>, BridgeError["code"], RegExp]>([
    ["an empty file", () => Buffer.alloc(0), "BUNDLE_UNREADABLE", /neither a bundle .* nor/],
    ["one byte", () => Buffer.from([0x1f]), "BUNDLE_UNREADABLE", /neither a bundle/],
    ["text", () => junk, "BUNDLE_UNREADABLE", /nats-opa-bridge build/],
    [
      "a tar that is not packed",
      () => tar([["policy.wasm", MODULE]]),
      "BUNDLE_UNREADABLE",
      /tar\.gz/,
    ],
    ["the start of a gzip", () => Buffer.from([0x1f, 0x8b]), "BUNDLE_UNREADABLE", /damaged/],
    [
      "gzip's magic and rubbish",
      () => Buffer.concat([Buffer.from([0x1f, 0x8b]), junk]),
      "BUNDLE_UNREADABLE",
      /damaged/,
    ],
    ["a packed rubbish", () => gzipSync(junk), "BUNDLE_UNREADABLE", /damaged .*tar/],
    ["a packed nothing", () => gzipSync(""), "BUNDLE_INVALID", /no policy\.wasm/],
    [
      "the magic of a module only",
      () => MODULE.subarray(0, 4),
      "BUNDLE_INVALID",
      /not a WebAssembly module/,
    ],
  ])("is refused: %s", async (_name, make, code, words) => {
    const error = await refusal(await make());
    expect(error.code).toBe(code);
    expect(error.message).toMatch(words);
  });

  it("is refused: a bundle cut short, wherever that is", async () => {
    const whole = await readFile(BASIC);
    for (const part of [0.001, 0.01, 0.3, 0.9, 0.999]) {
      const error = await refusal(whole.subarray(0, Math.max(2, Math.floor(whole.length * part))));
      expect(error.code).toBe("BUNDLE_UNREADABLE");
      expect(error.message).toMatch(/damaged .*copy it again/);
    }
  });

  it("is refused: a tar cut short within a gzip that is whole", async () => {
    const whole = await tar([["policy.wasm", Buffer.alloc(5_000)]]);
    expect((await refusal(gzipSync(whole.subarray(0, 3_000)))).code).toBe("BUNDLE_UNREADABLE");
  });

  it("is refused: a bundle with any byte of its packed content changed, or it is read in full", async () => {
    const whole = await policyWith(["/data.json", '{"a":1}']);
    const odd: unknown[] = [];
    for (let index = 2; index < whole.length; index++) {
      const bytes = Buffer.from(whole);
      bytes[index]! ^= 0x55;
      const outcome = await parseBundle(bytes, "b").then(
        ({ data }) => data.text() === '{"a":1}' || data,
        (error: unknown) => error instanceof BridgeError || error,
      );
      if (outcome !== true) odd.push(index, outcome);
    }
    expect(odd).toEqual([]);
  });

  it("is refused: no file, a folder, and a file that is larger than allowed", async () => {
    const missing = join(directory, "no.tar.gz");
    await expect(readBundle(missing)).rejects.toMatchObject({
      code: "BUNDLE_UNREADABLE",
      message: expect.stringMatching(
        /no\.tar\.gz" can't be read \(ENOENT\); check the path/,
      ) as string,
    });
    await expect(readBundle(directory)).rejects.toMatchObject({
      code: "BUNDLE_UNREADABLE",
      message: expect.stringContaining("EISDIR") as string,
    });
    const large = join(directory, "large.tar.gz");
    await writeFile(large, Buffer.alloc(1_000));
    await expect(readBundle(large, { maxBytes: 999 })).rejects.toMatchObject({
      code: "BUNDLE_INVALID",
      message: expect.stringMatching(/large\.tar\.gz".*999 bytes; make it smaller/) as string,
    });
  });
});
