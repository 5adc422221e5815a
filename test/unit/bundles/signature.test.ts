import { createHash, createSecretKey } from "node:crypto";
import { readFile } from "node:fs/promises";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalPieces } from "../../../src/bundles/canonical.ts";
import { matchesPath } from "../../../src/bundles/path-pattern.ts";
import { verifySignature } from "../../../src/bundles/signature.ts";
import { repairSurrogates } from "../../../src/common/json-text.ts";
import { Secret } from "../../../src/config/secret.ts";
import type { BundleConfig, BundleKeyConfig } from "../../../src/config/types.ts";
import { BaseData } from "../../../src/policy/base-data.ts";
import { signWith } from "../../../src/policy/builtins/jwt-algorithms.ts";
import { type BundleFiles, unpackBundle } from "../../../src/policy/bundle-files.ts";

const SIGNED = "test/policies/signed";
type Signing = NonNullable<BundleConfig["signing"]>;
const SIGNING: Signing = { keyid: undefined, scope: undefined, excludeFiles: [] };

async function signedByOpa(algorithm: string): Promise<BundleFiles> {
  const file = `${SIGNED}/${algorithm}.tar.gz`;
  return unpackBundle(await readFile(file), file);
}

function keyOf(algorithm: string, scope = "write"): BundleKeyConfig {
  return { algorithm, scope, key: { file: `${SIGNED}/${algorithm}.pem` } };
}

async function refusal(
  files: BundleFiles,
  signing: Signing | undefined,
  keys: Readonly<Record<string, BundleKeyConfig>>,
): Promise<string> {
  const error: unknown = await verifySignature(files, "b", {
    signing,
    keys: new Map(Object.entries(keys)),
  }).then(
    () => "accepted",
    (thrown: unknown) => thrown,
  );
  if (error === "accepted") return "accepted";
  expect(error).toMatchObject({ code: "BUNDLE_SIGNATURE" });
  return (error as Error).message;
}

describe("a bundle that opa has signed", () => {
  it.each(["RS256", "PS256", "ES256", "HS256"])("is accepted: %s", async (algorithm) => {
    const files = await signedByOpa(algorithm);
    expect(await refusal(files, SIGNING, { test: keyOf(algorithm) })).toBe("accepted");
    const named = { ...SIGNING, keyid: "mine", scope: "write" };
    expect(await refusal(files, named, { mine: keyOf(algorithm, "other") })).toBe("accepted");
  });

  it.each(["RS256", "PS256", "ES256", "HS256"])(
    "is refused with any file changed, added or taken away: %s",
    async (algorithm) => {
      const files = await signedByOpa(algorithm);
      const keys = { test: keyOf(algorithm) };
      for (const [path, content] of files) {
        if (path === ".signatures.json") continue;
        const text = content.toString("latin1");
        const at = text.search(/[a-z]/);
        const changed = Buffer.from(text.slice(0, at) + "Z" + text.slice(at + 1), "latin1");
        const without = new Map([...files].filter(([name]) => name !== path));
        expect(await refusal(new Map([...files, [path, changed]]), SIGNING, keys)).toMatch(
          /not the file|can't be read/,
        );
        expect(await refusal(without, SIGNING, keys)).toContain("is not in the bundle");
      }
      const more = new Map([...files, ["x/data.json", Buffer.from("{}")]]);
      expect(await refusal(more, SIGNING, keys)).toContain('"x/data.json" is not signed');
      expect(await refusal(more, { ...SIGNING, excludeFiles: ["x/*"] }, keys)).toBe("accepted");
      const elsewhere = { ...SIGNING, excludeFiles: ["y/*", "data.json"] };
      expect(await refusal(more, elsewhere, keys)).toContain('"x/data.json" is not signed');
    },
  );

  it("is the same with its data written in another way", async () => {
    const files = await signedByOpa("ES256");
    const data = JSON.parse(files.get("data.json")!.toString()) as { teams: object };
    // JSON.parse would change the numbers; what is left keeps its digits.
    const text = files
      .get("data.json")!
      .toString()
      .replaceAll(",", ", \n")
      .replace("alice", "\\u0061lice");
    expect(data.teams).toBeDefined();
    const other = new Map([...files, ["data.json", Buffer.from(text)]]);
    expect(await refusal(other, SIGNING, { test: keyOf("ES256") })).toBe("accepted");
  });

  it("is refused by another key, algorithm or scope", async () => {
    const files = await signedByOpa("RS256");
    const words = /not one by the key/;
    const wrongs: [BundleKeyConfig, RegExp][] = [
      [{ ...keyOf("PS256"), algorithm: "RS256" }, words],
      [{ ...keyOf("RS256"), algorithm: "PS256" }, words],
      [{ ...keyOf("RS256"), algorithm: "RS512" }, words],
      // The public key taken for a secret, which anybody could sign with.
      [{ ...keyOf("RS256"), algorithm: "HS256" }, words],
      [{ ...keyOf("ES256"), algorithm: "RS256" }, words],
      [keyOf("RS256", ""), /scope is "write", and not ""/],
      [{ ...keyOf("HS256"), algorithm: "RS256" }, /is not one for RS256/],
      [{ ...keyOf("RS256"), key: { file: "/nowhere.pem" } }, /"\/nowhere\.pem".*ENOENT/],
    ];
    for (const [key, message] of wrongs) {
      expect(await refusal(files, SIGNING, { test: key })).toMatch(message);
    }
    expect(await refusal(files, SIGNING, { other: keyOf("RS256") })).toMatch(
      /"test".*doesn't have/,
    );
    expect(await refusal(files, { ...SIGNING, scope: "read" }, { test: keyOf("RS256") })).toMatch(
      /and not "read"/,
    );
  });

  it("is refused where nothing says who may sign; one that isn't signed where somebody must", async () => {
    const files = await signedByOpa("RS256");
    expect(await refusal(files, undefined, {})).toMatch(/nothing says by whom/);
    const unsigned = new Map([...files].filter(([path]) => path !== ".signatures.json"));
    expect(await refusal(unsigned, SIGNING, { test: keyOf("RS256") })).toMatch(/no \.signatures/);
    expect(await refusal(unsigned, undefined, {})).toBe("accepted");
  });
});

describe("a signature", () => {
  const secret = "s3cret";
  const keys = { k: { algorithm: "HS256", scope: "", key: { value: new Secret(secret) } } };
  const content = Buffer.from("package a");

  function signedWith(claims: unknown, header: object = { alg: "HS256", kid: "k" }): BundleFiles {
    const part = (value: unknown): string =>
      Buffer.from(JSON.stringify(value)).toString("base64url");
    const data = `${part(header)}.${part(claims)}`;
    const signature = signWith("HS256", createSecretKey(Buffer.from(secret)), data);
    return filesWith({ signatures: [`${data}.${signature.toString("base64url")}`] });
  }

  function filesWith(signatures: unknown): BundleFiles {
    return new Map([
      ["a.rego", content],
      [".signatures.json", Buffer.from(JSON.stringify(signatures))],
    ]);
  }

  function file(algorithm: string, hash: string): object {
    return {
      files: [{ name: "/a.rego", algorithm, hash: createHash(hash).update(content).digest("hex") }],
    };
  }

  it.each([
    ["MD5", "md5"],
    ["SHA-1", "sha1"],
    ["SHA-224", "sha224"],
    ["SHA-256", "sha256"],
    ["SHA-384", "sha384"],
    ["SHA-512", "sha512"],
    ["SHA-512-224", "sha512-224"],
    ["SHA-512-256", "sha512-256"],
  ])("may use the hash %s", async (name, hash) => {
    expect(await refusal(signedWith(file(name, hash)), SIGNING, keys)).toBe("accepted");
  });

  it.each<[string, BundleFiles, RegExp]>([
    ["an unknown hash", signedWith(file("SHA-3", "sha256")), /unknown hash algorithm "SHA-3"/],
    ["the hash of another file", signedWith(file("SHA-256", "sha1")), /not the file/],
    ["no files", signedWith({}), /"a.rego" is not signed/],
    ["files that are none", signedWith({ files: [null, 1] }), /without name, hash or algorithm/],
    [
      "a file twice",
      signedWith({
        files: [1, 2].flatMap(() => (file("SHA-256", "sha256") as { files: object[] }).files),
      }),
      /twice/,
    ],
    ["no key's name", signedWith(file("SHA-256", "sha256"), {}), /names no key/],
    [
      "a key of Object.prototype",
      signedWith(file("SHA-256", "sha256"), { kid: "__proto__" }),
      /doesn't have/,
    ],
    ["two tokens", filesWith({ signatures: ["a.b.c", "a.b.c"] }), /exactly one token/],
    ["no token", filesWith({ signatures: [] }), /exactly one token/],
    ["a token that is none", filesWith({ signatures: ["a.b"] }), /is no token/],
    ["a payload that is none", filesWith({ signatures: ["e30.bm8.c2ln"] }), /payload is not/],
    ["another plugin", filesWith({ signatures: ["a.b.c"], plugin: "x" }), /plugin "x"/],
    ["text", filesWith("text"), /not a JSON object/],
  ])("is refused: %s", async (_what, files, words) => {
    expect(await refusal(files, SIGNING, keys)).toMatch(words);
  });

  it("is refused with any character of its token changed", async () => {
    const good = signedWith(file("SHA-256", "sha256"));
    const text = good.get(".signatures.json")!.toString();
    const start = text.indexOf("ey");
    for (let at = start; at < text.length - 4; at += 7) {
      const changed = text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);
      const files = new Map([...good, [".signatures.json", Buffer.from(changed)]]);
      expect(await refusal(files, SIGNING, keys)).not.toBe("accepted");
    }
  });
});

describe("canonical JSON", () => {
  it("is the same for equal documents, and keeps the order of bytes", async () => {
    const canonical = async (text: string): Promise<string> =>
      [...canonicalPieces(await BaseData.parse(text))].join("");
    expect(await canonical('{ "b": [1.0, {"z": 1, "a": "\\u0041"}], "a": {} }')).toBe(
      '{"a":{},"b":[1.0,{"a":"A","z":1}]}',
    );
    const names = fc.uniqueArray(fc.string({ unit: "binary" }), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(names, async (all) => {
        const text = await canonical(
          JSON.stringify(Object.fromEntries(all.map((name) => [name, 1]))),
        );
        const order = Object.keys(JSON.parse(text.replaceAll(/":1/g, '":"x"')) as object);
        const sorted = [
          ...new Set(
            all.map((name) => JSON.parse(repairSurrogates(JSON.stringify(name))) as string),
          ),
        ].toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
        // Objects put names that are positions in front, whatever the text says.
        const plain = (name: string): boolean => !/^\d+$/.test(name);
        expect(order.filter(plain)).toEqual(sorted.filter(plain));
      }),
    );
  });
});

describe("patterns of paths", () => {
  it.each([
    ["*.rego", "a.rego", true],
    ["*.rego", "a/b.rego", false],
    ["a/*/data.json", "a/b/data.json", true],
    ["?.md", "é.md", true],
    ["[a-c]", "b", true],
    ["[^a-c]", "b", false],
    ["a.b", "axb", false],
    ["\\*", "*", true],
    ["[", "[", false],
    ["a(b)+", "a(b)+", true],
  ])("%s, %s: %s", (pattern, path, matches) => {
    expect(matchesPath(pattern, path)).toBe(matches);
  });
});
