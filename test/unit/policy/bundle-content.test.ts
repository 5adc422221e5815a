import { describe, expect, it } from "vitest";
import { BaseData } from "../../../src/policy/base-data.ts";
import { parseBundle } from "../../../src/policy/bundle.ts";
import { bundle, MODULE, packedGigabyte, policyWith, refusal, tar } from "./bundle-kit.ts";

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
    [
      "a file twice, under two names",
      () => policyWith(["/a/data.json", "{}"], ["a//data.json", '{"b":1}']),
      /"a\/data\.json" twice/,
    ],
    ["a patch of another bundle", () => policyWith(["/patch.json", "{}"]), /it is a delta bundle/],
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
