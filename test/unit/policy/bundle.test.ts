import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type Header, pack } from "tar-stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BridgeError } from "../../../src/errors.ts";
import { BaseData } from "../../../src/policy/base-data.ts";
import { parseBundle, readBundle } from "../../../src/policy/bundle.ts";
import type { BundleLimits } from "../../../src/policy/bundle-files.ts";

/** The smallest WebAssembly module. */
const MODULE = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
const MANIFEST = {
  revision: "r1",
  roots: ["a"],
  wasm: [{ entrypoint: "a/b", module: "/policy.wasm" }],
};
const BASIC = new URL("../../policies/basic/bundle.tar.gz", import.meta.url).pathname;

type Content = Buffer | string | Partial<Header>;

/** A tar archive with these entries; a header in place of the content makes an entry without content. */
async function tar(
  entries: readonly (readonly [name: string, content: Content])[],
): Promise<Buffer> {
  const archive = pack();
  for (const [name, content] of entries) {
    if (typeof content === "string" || Buffer.isBuffer(content)) archive.entry({ name }, content);
    else archive.entry({ name, ...content });
  }
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function bundle(entries: readonly (readonly [string, Content])[]): Promise<Buffer> {
  return gzipSync(await tar(entries));
}

/** A bundle that is good but for what is added to it. */
function policyWith(...entries: readonly (readonly [string, Content])[]): Promise<Buffer> {
  return bundle([["/policy.wasm", MODULE], ...entries]);
}

/** A gigabyte of zeros, packed: gzip may be put together from parts. */
function packedGigabyte(start: Buffer): Buffer {
  const megabyte = gzipSync(Buffer.alloc(2 ** 20));
  return Buffer.concat([gzipSync(start), ...Array<Buffer>(1_024).fill(megabyte)]);
}

async function refusal(bytes: Buffer, limits?: BundleLimits): Promise<BridgeError> {
  const outcome: unknown = await parseBundle(bytes, "/srv/bundle.tar.gz", limits).catch(
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(BridgeError);
  const error = outcome as BridgeError;
  expect(error.message).toContain('"/srv/bundle.tar.gz"');
  // What is wrong, then the remedy.
  expect(error.message).toMatch(/; [a-z].*\S$/s);
  return error;
}

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

describe("a bundle whose content can't be used", () => {
  const manifest = (value: unknown): readonly [string, string] => [
    "/.manifest",
    typeof value === "string" ? value : JSON.stringify(value),
  ];
  const deep = (levels: number): string => `${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`;

  it.each<[string, () => Promise<Buffer>, RegExp]>([
    [
      "no policy.wasm for its Rego",
      () => bundle([["/a.rego", "package a"]]),
      /no policy\.wasm; build it with/,
    ],
    [
      "a policy that is not WebAssembly",
      () => bundle([["/policy.wasm", "no"]]),
      /not a WebAssembly module/,
    ],
    [
      "a path that leads out",
      () => policyWith(["/a/../../etc/passwd", "x"]),
      /leads out of it, "\/a\/\.\./,
    ],
    [
      "a symbolic link",
      () => policyWith(["/data.json", { type: "symlink", linkname: "/etc/passwd" }]),
      /a link, "\/data\.json"; pack files only/,
    ],
    [
      "a hard link",
      () => policyWith(["/data.json", { type: "link", linkname: "/policy.wasm" }]),
      /a link/,
    ],
    ["a manifest that is not JSON", () => policyWith(manifest("{")), /\.manifest is not JSON/],
    [
      "a manifest that is not UTF-8",
      () =>
        bundle([
          ["/policy.wasm", MODULE],
          ["/.manifest", Buffer.from([0x22, 0xff, 0x22])],
        ]),
      /\.manifest is not JSON/,
    ],
    [
      "a manifest that is a list",
      () => policyWith(manifest([])),
      /\.manifest does not hold an object/,
    ],
    [
      "a manifest that is null",
      () => policyWith(manifest(null)),
      /\.manifest does not hold an object/,
    ],
    [
      "a revision that is a number",
      () => policyWith(manifest({ revision: 1 })),
      /a revision of the wrong type/,
    ],
    ["roots that are text", () => policyWith(manifest({ roots: "a" })), /roots of the wrong type/],
    [
      "a root that is a number",
      () => policyWith(manifest({ roots: ["a", 1] })),
      /roots of the wrong type/,
    ],
    ["wasm that is a map", () => policyWith(manifest({ wasm: {} })), /wasm of the wrong type/],
    ["wasm of nulls", () => policyWith(manifest({ wasm: [null] })), /wasm of the wrong type/],
    [
      "a module that is a number",
      () => policyWith(manifest({ wasm: [{ module: 5 }] })),
      /wasm of the wrong type/,
    ],
    [
      "a module that leads out",
      () => policyWith(manifest({ wasm: [{ module: "../policy.wasm" }] })),
      /leads out/,
    ],
    [
      "a module that is not there",
      () => policyWith(manifest({ wasm: [{ module: "/other.wasm" }] })),
      /no other\.wasm/,
    ],
    [
      "two modules",
      () =>
        policyWith(manifest({ wasm: [{ module: "/policy.wasm" }, { module: "/b/policy.wasm" }] })),
      /has 2 modules/,
    ],
    [
      "data that is not JSON",
      () => policyWith(["/x/data.json", "{,}"]),
      /"x\/data\.json" is not JSON .*; correct it/,
    ],
    [
      "data that is not UTF-8",
      () => policyWith(["/data.json", Buffer.from('{"a":"\xff"}', "latin1")]),
      /not JSON/,
    ],
    [
      "data that is a list",
      () => policyWith(["/data.json", "[]"]),
      /"data\.json" does not hold an object/,
    ],
    [
      "data that is text in YAML",
      () => policyWith(["/data.yaml", "hello"]),
      /"data\.yaml" does not hold an object/,
    ],
    [
      "data that is not YAML",
      () => policyWith(["/data.yaml", "a: [1"]),
      /"data\.yaml" is not YAML/,
    ],
    [
      "data with a key twice in YAML",
      () => policyWith(["/data.yaml", "a: 1\na: 2"]),
      /is not YAML/,
    ],
    [
      "data that bites its tail in YAML",
      () => policyWith(["/data.yaml", "a: &x\n  b: *x\n"]),
      /is not YAML/,
    ],
    [
      "a billion laughs in YAML",
      () =>
        policyWith([
          "/data.yaml",
          `a: &a [1,1,1,1,1,1,1,1,1]\n${"bcdefghij".replaceAll(
            /./g,
            (c) =>
              `${c}: &${c} [${Array(9)
                .fill(`*${String.fromCharCode(c.charCodeAt(0) - 1)}`)
                .join()}]\n`,
          )}`,
        ]),
      /is not YAML/,
    ],
    [
      "data nested too deep",
      () => policyWith(["/data.json", deep(300)]),
      /nested deeper than 256 levels; flatten it/,
    ],
    [
      "data nested too deep by its folders",
      () => policyWith([`/${"d/".repeat(200)}data.json`, deep(100)]),
      /deeper than 256/,
    ],
    [
      "data nested too deep in YAML",
      () => policyWith(["/data.yaml", "[".repeat(5_000)]),
      /is not YAML|deeper/,
    ],
  ])("is refused: %s", async (_name, make, words) => {
    const error = await refusal(await make());
    expect(error.code).toBe("BUNDLE_INVALID");
    expect(error.message).toMatch(words);
  });

  it("is refused: too many entries, of whatever kind", async () => {
    const folders = Array.from({ length: 12 }, (_, index) => {
      return [`/d${index}/`, { type: "directory" }] as const;
    });
    const error = await refusal(await policyWith(...folders), { maxEntries: 12 });
    expect(error.message).toMatch(/more than 12 entries; make it smaller/);
    expect((await parseBundle(await policyWith(...folders), "b", { maxEntries: 13 })).data).toBe(
      BaseData.none,
    );
  });

  it("is refused: more bytes than allowed, however many files they are in", async () => {
    const files = Array.from(
      { length: 20 },
      (_, index) => [`/f${index}`, Buffer.alloc(1_000)] as const,
    );
    const error = await refusal(await policyWith(...files), { maxBytes: 20_000 });
    expect(error.message).toMatch(/unpacks to more than 20000 bytes; make it smaller/);
  });

  it("is refused without being unpacked: a gigabyte of zeros, as a file and as nothing at all", async () => {
    const size = 2 ** 30;
    const header = (await tar([["/data.json", Buffer.alloc(0)]])).subarray(0, 512);
    header.write(size.toString(8).padStart(11, "0"), 124, "latin1");
    header.fill(" ", 148, 156);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
    const cases = [
      { start: header, maxBytes: 2 ** 28 },
      { start: Buffer.alloc(0), maxBytes: 2 ** 26 },
    ];
    for (const { start, maxBytes } of cases) {
      const bomb = packedGigabyte(start);
      expect(bomb.length).toBeLessThan(2 ** 23);
      const before = process.memoryUsage().arrayBuffers;
      let most = 0;
      const sampler = setInterval(() => {
        most = Math.max(most, process.memoryUsage().arrayBuffers - before);
      }, 1);
      const error = await refusal(bomb, { maxBytes });
      clearInterval(sampler);
      expect(error.message).toContain(`more than ${maxBytes} bytes`);
      expect(most).toBeLessThan(2 ** 25);
    }
  });
});
