import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { describe, expect, it } from "vitest";
import { certificateBuiltins } from "../../../../src/policy/builtins/certificates.ts";
import { Query } from "../../../../src/policy/query.ts";
import {
  bits,
  certificate,
  type CertificateParts,
  commonName,
  der,
  extension,
  integer,
  oid,
  pem,
  sequence,
  TRUE,
} from "../../../support/der-certificates.ts";

const builtins = new Map(certificateBuiltins);

function call(name: string, ...args: unknown[]): unknown {
  const texts = args.map((argument) => JSON.stringify(argument));
  return JSON.parse(builtins.get(`crypto.x509.${name}`)!(texts, new Query(true))!);
}

function ec(): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
}

const [rootKey, middleKey, leafKey] = [ec(), ec(), ec()];
const [ROOT, MIDDLE, LEAF] = ["Root", "Middle", "Leaf"].map(commonName) as [Buffer, Buffer, Buffer];
const NOTHING = Buffer.alloc(0);

function authority(maxPathLength?: number): Buffer {
  const limit = maxPathLength === undefined ? NOTHING : integer(maxPathLength);
  return extension("2.5.29.19", sequence(TRUE, limit), true);
}

function names(...all: Buffer[]): Buffer {
  return extension("2.5.29.17", sequence(...all));
}

const dns = (text: string): Buffer => der(0x82, text);
const usage = (purpose: string): Buffer => extension("2.5.29.37", sequence(oid(purpose)));
const SERVER = "1.3.6.1.5.5.7.3.1";
const CLIENT = "1.3.6.1.5.5.7.3.2";

interface Changes {
  readonly root?: Partial<CertificateParts>;
  readonly middle?: Partial<CertificateParts>;
  readonly leaf?: Partial<CertificateParts>;
}

/** A chain as PEM that is good unless something is changed. */
function chain({ root, middle, leaf }: Changes = {}): string {
  const all = [
    { subject: ROOT, issuer: ROOT, signing: { key: rootKey }, extensions: [authority()], ...root },
    {
      subject: MIDDLE,
      issuer: ROOT,
      signing: { key: rootKey },
      key: middleKey,
      extensions: [authority()],
      ...middle,
    },
    {
      subject: LEAF,
      issuer: MIDDLE,
      signing: { key: middleKey },
      key: leafKey,
      extensions: [names(dns("a.example.com"))],
      ...leaf,
    },
  ];
  return all.map((parts) => pem(certificate(parts))).join("");
}

const verify = (text: string, options?: object): boolean => {
  const name = "parse_and_verify_certificates";
  const answer =
    options === undefined ? call(name, text) : call(`${name}_with_options`, text, options);
  const [isVerified, found] = answer as [boolean, unknown[]];
  expect(found.length > 0).toBe(isVerified);
  return isVerified;
};

describe("a chain of certificates", () => {
  it("is found from the leaf to the root", () => {
    const [isVerified, found] = call("parse_and_verify_certificates", chain()) as [
      boolean,
      { Subject: { CommonName: string }; DNSNames: string[] | null; URIStrings: null }[],
    ];
    expect(isVerified).toBe(true);
    expect(found.map(({ Subject }) => Subject.CommonName)).toEqual(["Leaf", "Middle", "Root"]);
    expect(found[0]).toMatchObject({ DNSNames: ["a.example.com"], URIStrings: null });
  });

  it("is none where one has not been signed by the next, or with what is too weak", () => {
    expect(verify(chain({ leaf: { signing: { key: rootKey } } }))).toBe(false);
    expect(verify(chain({ leaf: { issuer: ROOT } }))).toBe(false);
    const rsa = (modulusLength: number): KeyObject =>
      generateKeyPairSync("rsa", { modulusLength }).privateKey;
    const signedBy = (key: KeyObject, more: object = {}): string =>
      chain({ middle: { key }, leaf: { signing: { key, ...more } } });
    const strong = rsa(2048);
    expect(verify(signedBy(strong))).toBe(true);
    expect(verify(signedBy(rsa(1023)))).toBe(false);
    const sha1 = sequence(oid("1.2.840.113549.1.1.5"), der(0x05));
    expect(verify(signedBy(strong, { hash: "sha1", algorithm: sha1 }))).toBe(false);
  });

  it("is none before and after its time", () => {
    const past = { notAfter: der(0x17, "210101000000Z") };
    for (const changes of [{ root: past }, { middle: past }, { leaf: past }]) {
      expect(verify(chain(changes))).toBe(false);
      expect(verify(chain(changes), { CurrentTime: 1_600_000_000e9 })).toBe(true);
    }
    expect(verify(chain({ leaf: { notBefore: der(0x17, "490101000000Z") } }))).toBe(false);
  });

  it("is none over a certificate that may not sign", () => {
    expect(verify(chain({ middle: { extensions: [] } }))).toBe(false);
    const noAuthority = extension("2.5.29.19", sequence(), true);
    expect(verify(chain({ middle: { extensions: [noAuthority] } }))).toBe(false);
    const notForCertificates = extension("2.5.29.15", bits([0xa0], 5), true);
    expect(verify(chain({ middle: { extensions: [authority(), notForCertificates] } }))).toBe(
      false,
    );
    expect(verify(chain({ root: { extensions: [] } }))).toBe(false);
    // Of version 1, which has no extensions, only a root may be.
    expect(verify(chain({ middle: { extensions: [], version: 0 } }))).toBe(false);
    expect(verify(chain({ root: { extensions: [], version: 0 } }))).toBe(true);
    expect(verify(chain({ root: { extensions: [authority(0)] } }))).toBe(false);
    expect(verify(chain({ root: { extensions: [authority(1)] } }))).toBe(true);
  });

  it("is none with a critical extension that nobody knows", () => {
    const unknown = (isCritical: boolean): Changes => ({
      middle: { extensions: [authority(), extension("1.2.3", NOTHING, isCritical)] },
    });
    expect(verify(chain(unknown(true)))).toBe(false);
    expect(verify(chain(unknown(false)))).toBe(true);
  });

  it("is none for another purpose, or another host", () => {
    const client: Changes = { leaf: { extensions: [usage(CLIENT), names(dns("*.example.com"))] } };
    expect(verify(chain(client))).toBe(false);
    expect(verify(chain(client), { KeyUsages: ["KeyUsageServerAuth"] })).toBe(false);
    expect(verify(chain(client), { KeyUsages: ["KeyUsageClientAuth"] })).toBe(true);
    const forServers = { extensions: [authority(), usage(SERVER)] };
    const nested = chain({ ...client, middle: forServers });
    expect(verify(nested, { KeyUsages: ["KeyUsageClientAuth"] })).toBe(false);
    const any = { KeyUsages: ["KeyUsageAny"] };
    expect(verify(nested, any)).toBe(true);
    expect(verify(nested, { ...any, DNSName: "B.example.com" })).toBe(true);
    expect(verify(nested, { ...any, DNSName: "b.c.example.com" })).toBe(false);
    expect(verify(nested, { ...any, DNSName: "Leaf" })).toBe(false);
  });

  it("is none where an authority may not certify the name", () => {
    const constrained = (tag: number, ...bases: Buffer[]): string =>
      chain({
        middle: {
          extensions: [
            authority(),
            extension(
              "2.5.29.30",
              sequence(der(tag, ...bases.map((base) => sequence(base)))),
              true,
            ),
          ],
        },
      });
    const [permitted, excluded] = [0xa0, 0xa1];
    expect(verify(constrained(permitted, dns("example.com")))).toBe(true);
    expect(verify(constrained(permitted, dns("example.org")))).toBe(false);
    expect(verify(constrained(permitted, dns(".a.example.com")))).toBe(false);
    expect(verify(constrained(excluded, dns("EXAMPLE.com")))).toBe(false);
    expect(verify(constrained(excluded, dns("b.example.com")))).toBe(true);
    // Only names of that kind are limited.
    expect(verify(constrained(permitted, der(0x87, [10, 0, 0, 0, 255, 0, 0, 0])))).toBe(true);
  });

  it("is none where a policy is demanded that the leaf does not have", () => {
    const policies = (...all: string[]): Buffer =>
      extension("2.5.29.32", sequence(...all.map((each) => sequence(oid(each)))));
    const demand = extension("2.5.29.36", sequence(der(0x80, [0])), true);
    const text = (...own: Buffer[]): string =>
      chain({
        middle: { extensions: [authority(), policies("1.2.3"), demand] },
        leaf: { extensions: own },
      });
    expect(verify(text())).toBe(false);
    expect(verify(text(policies("1.2.4")))).toBe(false);
    expect(verify(text(policies("1.2.4", "1.2.3")))).toBe(true);
  });

  it("is not looked for with options that there aren't", () => {
    expect(() => verify(chain(), { KeyUsages: ["Everything"] })).toThrow("[Everything]");
    expect(() => verify(chain(), { CurrentTime: 1.5 })).toThrow("int64");
    expect(() => verify(chain(), { Host: "x" })).toThrow("invalid key option");
    expect(verify("no certificate", { KeyUsages: ["KeyUsageAny"] })).toBe(false);
    expect(verify(chain().slice(0, chain().indexOf("-----BEGIN", 1)))).toBe(false);
  });

  it("is none where it would take too long to tell", () => {
    const many = (count: number, text: (index: number) => string): Buffer[] =>
      Array.from({ length: count }, (_, index) => dns(text(index)));
    const excluded = many(4_000, (index) => `x${index}.example.org`).map((base) => sequence(base));
    const authorities = {
      extensions: [authority(), extension("2.5.29.30", sequence(der(0xa1, ...excluded)))],
    };
    const text = (count: number): string =>
      chain({
        middle: authorities,
        leaf: { extensions: [names(...many(count, (index) => `a${index}.example.com`))] },
      });
    expect(verify(text(10_000))).toBe(true);
    // More than a decision has time for.
    const long = `${"a.".repeat(400)}com`;
    const endless = { extensions: [names(...many(700, () => long))] };
    expect(verify(chain({ middle: authorities, leaf: endless }))).toBe(false);
  });
});

describe("a certificate", () => {
  const one = certificate({
    subject: LEAF,
    issuer: ROOT,
    signing: { key: rootKey },
    key: leafKey,
    extensions: [names(dns("x"), der(0x86, "spiffe://example.com/%2f"), der(0x87, [10, 0, 0, 1]))],
  });
  const base64 = (bytes: Buffer): string => bytes.toString("base64");

  it("is read from PEM, DER and PEM in base64", () => {
    const [first] = call("parse_certificates", base64(one)) as Record<string, unknown>[];
    expect(first).toMatchObject({
      SerialNumber: 4711,
      NotAfter: "2099-12-31T23:59:59Z",
      IPAddresses: ["10.0.0.1"],
      URIStrings: ["spiffe://example.com/%2f"],
      URIs: [{ Scheme: "spiffe", Host: "example.com", Path: "//", RawPath: "/%2f", User: null }],
      PublicKey: { Curve: {} },
      MaxPathLen: 0,
      Policies: null,
    });
    for (const text of [pem(one), base64(Buffer.from(pem(one)))]) {
      expect(call("parse_certificates", text)).toEqual([first]);
    }
    expect(call("parse_certificates", "")).toEqual([]);
  });

  it("is refused where it is not in the one form that DER has", () => {
    const length = one.readUInt16BE(2);
    const longer = Buffer.concat([
      Buffer.from([0x30, 0x83, 0, length >> 8, length & 255]),
      one.subarray(4),
    ]);
    const endless = Buffer.concat([
      Buffer.from([0x30, 0x80]),
      one.subarray(4),
      Buffer.from([0, 0]),
    ]);
    for (const bytes of [
      longer,
      endless,
      one.subarray(0, -1),
      Buffer.concat([one, Buffer.from([0])]),
    ]) {
      expect(() => call("parse_certificates", base64(bytes))).toThrow(
        "x509: malformed certificate",
      );
    }
    expect(() => call("parse_certificates", "a b")).toThrow("illegal base64");
    expect(() => call("parse_certificates", pem(one, "PUBLIC KEY"))).toThrow(
      "expected CERTIFICATE",
    );
  });

  it("is not read where it is longer than any", () => {
    expect(() => call("parse_certificates", "A".repeat(1024 * 1024 + 4))).toThrow("is longer than");
    // A number of so many digits takes long to write.
    const huge = { subject: LEAF, issuer: ROOT, signing: { key: rootKey } };
    const serial = der(0x02, Buffer.alloc(5_000, 1));
    expect(() => call("parse_certificates", base64(certificate({ ...huge, serial })))).toThrow(
      "malformed serial number",
    );
  });

  it("ends in time whatever is in the text", () => {
    const begin = "-----BEGIN CERTIFICATE-----\n".repeat(30_000);
    expect(call("parse_certificates", begin)).toEqual([]);
    expect(call("parse_certificates", begin + pem(one))).toHaveLength(1);
  });
});

describe("a pair of certificate and key", () => {
  it("belongs together by what the key is, not by what it says", () => {
    const own = certificate({ subject: LEAF, issuer: LEAF, signing: { key: leafKey } });
    const secret = (key: KeyObject): Buffer => key.export({ type: "sec1", format: "der" });
    const pair = call("parse_keypair", pem(own), pem(secret(leafKey), "EC PRIVATE KEY"));
    expect(pair).toMatchObject({ Leaf: { SerialNumber: 4711 }, OCSPStaple: null });
    // Another's number, with the public point of the certificate.
    const point = (key: KeyObject): Buffer => secret(key).subarray(-65);
    const lie = Buffer.concat([secret(rootKey).subarray(0, -65), point(leafKey)]);
    expect(() => call("parse_keypair", pem(own), pem(lie, "EC PRIVATE KEY"))).toThrow(
      "does not match",
    );
  });
});
