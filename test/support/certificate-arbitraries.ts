import * as fc from "fast-check";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import {
  bits,
  certificate,
  commonName,
  der,
  extension,
  integer,
  name,
  oid,
  request,
  sequence,
  type Signing,
  TRUE,
} from "./der-certificates.ts";

// Certificates with everything that Go's crypto/x509 reads, right and wrong, for comparing with it.

type Bytes = fc.Arbitrary<Buffer>;

const NOTHING = Buffer.alloc(0);

function ec(namedCurve: string): KeyObject {
  return generateKeyPairSync("ec", { namedCurve }).privateKey;
}

function rsa(modulusLength: number): KeyObject {
  return generateKeyPairSync("rsa", { modulusLength }).privateKey;
}

export const KEYS: Readonly<Record<string, KeyObject>> = {
  p224: ec("secp224r1"),
  p256: ec("P-256"),
  p384: ec("P-384"),
  p521: ec("P-521"),
  secp256k1: ec("secp256k1"),
  rsa: rsa(2048),
  weak: rsa(1023),
  ed25519: generateKeyPairSync("ed25519").privateKey,
  x25519: generateKeyPairSync("x25519").privateKey,
};

const { p224, p256, p384, p521, ed25519, weak } = KEYS;
const anyKey = fc.constantFrom(...Object.values(KEYS));
const signed = (key: KeyObject | undefined, algorithm: Buffer, more: object = {}): Signing => ({
  key: key!,
  algorithm,
  ...more,
});
const NULL = der(0x05);

function pss(hash: number, salt: number): Buffer {
  const hashed = sequence(oid(`2.16.840.1.101.3.4.2.${hash}`), NULL);
  const mask = sequence(oid("1.2.840.113549.1.1.8"), hashed);
  const parameters = sequence(der(0xa0, hashed), der(0xa1, mask), der(0xa2, integer(salt)));
  return sequence(oid("1.2.840.113549.1.1.10"), parameters);
}

const signing = fc.constantFrom<Signing>(
  { key: p256! },
  { key: ed25519! },
  { key: KEYS["rsa"]! },
  { key: p224! },
  { key: weak! },
  signed(p384, sequence(oid("1.2.840.10045.4.3.3")), { hash: "sha384" }),
  signed(p521, sequence(oid("1.2.840.10045.4.3.4")), { hash: "sha512" }),
  signed(KEYS["rsa"], sequence(oid("1.2.840.113549.1.1.5"), NULL), { hash: "sha1" }),
  signed(KEYS["rsa"], pss(1, 32), { isPss: true }),
  signed(KEYS["rsa"], pss(3, 64), { isPss: true, hash: "sha512" }),
  signed(KEYS["rsa"], pss(1, 20), { isPss: true }),
  signed(ed25519, sequence(oid("1.3.101.112"), NULL)),
);

/** What is right, and now and then something else. */
function mostly<T>(right: fc.Arbitrary<T>, other: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ arbitrary: right, weight: 25 }, other);
}

const text = fc.constantFrom(
  ...["Müller", "a", "*.example.com", "A&B", "12 3", ""].map((each) => Buffer.from(each)),
  Buffer.from([0xff, 0xfe]),
  Buffer.from([0, 65, 0, 66, 0, 0]),
  Buffer.from([0xd8, 0, 0xdc, 0]),
);
const STRING_TAGS = [0x0c, 0x13, 0x16, 0x14, 0x1e, 0x12, 0x02, 0x04, 0x17];
const attribute = fc.tuple(
  fc.constantFrom(
    ...["3", "5", "6", "7", "8", "9", "10", "11", "17", "99"].map((each) => `2.5.4.${each}`),
    "0.9.2342.19200300.100.1.25",
  ),
  mostly(
    fc.constantFrom("Müller", "A&B", "").map((each) => der(0x0c, each)),
    fc.tuple(fc.constantFrom(...STRING_TAGS), text).map(([tag, content]) => der(tag, content)),
  ),
);
const anyName = fc.array(attribute, { maxLength: 4 }).map((attributes) => name(...attributes));

/** Values that are likely, and some that are seen seldom. */
const DOMAINS = ["example.com", "a.example.com", "*.example.com", "A.b.EXAMPLE.com", "other.org"];
const EMAILS = ["a@example.com", "A@a.EXAMPLE.com", '"q q"@example.com', "no mailbox", "a@b@c"];
const URIS = [
  "https://example.com/x?y#z",
  "spiffe://a.example.com/a/%2f",
  "http://u:p@example.com:80/",
  "urn:a:b",
  "http://1.2.3.4/",
  "http://[::1]/",
  "/path",
  "http://h/%ff",
  "http://exa mple/",
];
const ADDRESSES = [[10, 0, 0, 1], [1, 2, 3, 4], Array<number>(16).fill(0), [1, 2, 3]];
const NETWORKS = [
  [10, 0, 0, 0, 255, 0, 0, 0],
  [0, 0, 0, 0, 0, 0, 0, 0],
  Array<number>(32).fill(0),
  [10, 0, 0, 0, 255, 0, 255, 0],
];

function oneOf(tag: number, values: readonly (string | readonly number[])[]): Bytes {
  return fc.constantFrom(...values).map((value) => der(tag, value));
}

/** The wrong ones are a few of many: most chains should get to the end. */
const alternativeName = fc.oneof(
  { arbitrary: oneOf(0x82, DOMAINS), weight: 4 },
  { arbitrary: oneOf(0x81, EMAILS.slice(0, 3)), weight: 2 },
  { arbitrary: oneOf(0x86, URIS.slice(0, 3)), weight: 2 },
  { arbitrary: oneOf(0x87, ADDRESSES.slice(0, 3)), weight: 2 },
  oneOf(0x81, EMAILS),
  oneOf(0x82, ["", "x..y", "a b", "end.", ".start"]),
  oneOf(0x86, URIS),
  oneOf(0x87, ADDRESSES),
  fc.constant(der(0xa4, commonName("x"))),
);
const constraint = fc.oneof(
  { arbitrary: oneOf(0x82, [...DOMAINS, ".example.com", "com", ""]), weight: 4 },
  { arbitrary: oneOf(0x81, ["a@example.com", "example.com", ".example.com", ""]), weight: 2 },
  { arbitrary: oneOf(0x86, ["example.com", ".example.com", "com"]), weight: 2 },
  { arbitrary: oneOf(0x87, NETWORKS.slice(0, 3)), weight: 2 },
  oneOf(0x86, ["1.2.3.4", "a b"]),
  oneOf(0x87, NETWORKS),
  fc.constant(der(0xa4, commonName("x"))),
);

function list(items: Bytes, maxLength: number, minLength = 0): Bytes {
  return fc.array(items, { minLength, maxLength }).map((all) => Buffer.concat(all));
}

function maybe(item: Bytes): Bytes {
  return fc.option(item, { nil: NOTHING });
}

const subtrees = list(
  constraint.map((each) => sequence(each)),
  3,
  1,
);
const names = list(alternativeName, 3, 1).map((all) => extension("2.5.29.17", sequence(all)));
const constraints = fc
  .tuple(maybe(subtrees.map((all) => der(0xa0, all))), maybe(subtrees.map((all) => der(0xa1, all))))
  .map((both) => extension("2.5.29.30", sequence(...both), true));
const policy = fc
  .constantFrom("2.5.29.32.0", "1.2.3", "1.2.4", "1.2.3.99999999999999999999")
  .map(oid);
const policies = list(
  policy.map((each) => sequence(each)),
  3,
).map((all) => extension("2.5.29.32", sequence(all)));
const mappings = list(
  fc.tuple(policy, policy).map((both) => sequence(...both)),
  2,
).map((all) => extension("2.5.29.33", sequence(all)));
const small = (tag: number): Bytes => fc.constantFrom(0, 1, 2).map((limit) => der(tag, [limit]));
const policyLimits = fc
  .tuple(maybe(small(0x80)), maybe(small(0x81)))
  .map((both) => extension("2.5.29.36", sequence(...both)));
const anyPolicyLimit = small(0x02).map((limit) => extension("2.5.29.54", limit));
const usages = list(
  fc.constantFrom("2.5.29.37.0", "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "1.2.3").map(oid),
  3,
).map((all) => extension("2.5.29.37", sequence(all)));
const keyUsage = fc
  .constantFrom(bits([0x06], 1), bits([0x06], 1), bits([0xa0], 5), bits([0xff, 0x80], 7))
  .map((value) => extension("2.5.29.15", value, true));
const identifier = fc.constantFrom<number[]>([1, 2, 3], [9], []);
const subjectKeyId = identifier.map((id) => extension("2.5.29.14", der(0x04, id)));
const authorityKeyId = identifier.map((id) => extension("2.5.29.35", sequence(der(0x80, id))));
const authority = fc
  .tuple(fc.constantFrom(TRUE, TRUE, TRUE, TRUE, NOTHING), maybe(small(0x02)))
  .map((parts) => extension("2.5.29.19", sequence(...parts), true));
const uri = fc
  .constantFrom("http://x/", Buffer.from([0xff, 0xe2, 0x82]))
  .map((to) => der(0x86, to));
const access = list(
  fc
    .tuple(fc.constantFrom("1.3.6.1.5.5.7.48.1", "1.3.6.1.5.5.7.48.2", "1.2.3").map(oid), uri)
    .map((both) => sequence(...both)),
  2,
).map((all) => extension("1.3.6.1.5.5.7.1.1", sequence(all)));
const distribution = list(uri, 2).map((all) =>
  extension("2.5.29.31", sequence(sequence(der(0xa0, der(0xa0, all))))),
);
const unknown = fc.boolean().map((isCritical) => extension("1.2.3.4", NOTHING, isCritical));

const utcTime = (...texts: string[]): Bytes =>
  fc.constantFrom(...texts).map((each) => der(0x17, each));
const longTime = (...texts: string[]): Bytes =>
  fc.constantFrom(...texts).map((each) => der(0x18, each));
const time = mostly(
  fc.oneof(
    utcTime("200101000000Z", "491231235959Z", "500101000000Z", "2001010000Z"),
    longTime("20200101000000Z", "99991231235959Z", "20240229120000-1200"),
  ),
  fc.oneof(utcTime("200231000000Z", "200101000000-0000"), longTime("20200101000000.5Z")),
);
const serial = mostly(
  fc.bigInt(0n, 2n ** 160n).map(integer),
  fc.constantFrom([0xff], [0, 1], []).map((each) => der(0x02, each)),
);

/** Any certificate at all. */
export const anyCertificate: Bytes = fc
  .record({
    subject: anyName,
    issuer: anyName,
    signing,
    key: anyKey,
    serial,
    version: mostly(fc.constant(2), fc.constantFrom(1, 0, 3)),
    notBefore: time,
    notAfter: time,
    extensions: fc
      .tuple(
        ...[names, constraints, policies, mappings, policyLimits, anyPolicyLimit, usages].map(
          maybe,
        ),
        ...[keyUsage, subjectKeyId, authorityKeyId, authority, access, distribution].map(maybe),
        maybe(unknown),
      )
      .map((all) => all.filter((each) => each.length > 0)),
  })
  .map(certificate);

const extensionRequest = fc
  .tuple(maybe(names), maybe(keyUsage), maybe(unknown))
  .map((all) => sequence(oid("1.2.840.113549.1.9.14"), der(0x31, sequence(...all))));
const otherAttribute = fc
  .constantFrom(
    bits([0xa0], 5),
    integer(77),
    oid("1.2.3"),
    TRUE,
    NULL,
    der(0x18, "20200101000000.5Z"),
  )
  .map((value) => sequence(oid("1.2.3"), der(0x31, sequence(sequence(oid("1.2"), value)))));
const password = sequence(oid("1.2.840.113549.1.9.7"), der(0x31, der(0x0c, "secret")));

/** Any certificate request. */
export const anyRequest: Bytes = fc
  .tuple(
    anyName,
    signing,
    fc.array(fc.oneof(extensionRequest, otherAttribute, fc.constant(password)), { maxLength: 3 }),
  )
  .map(([subject, by, attributes]) => request(subject, by, attributes));

const link = fc.record({
  key: fc.constantFrom(p256!, ed25519!, p384!),
  isSelfIssued: mostly(fc.constant(false), fc.constant(true)),
  isSignedWrong: mostly(fc.constant(false), fc.constant(true)),
  isExpired: mostly(fc.constant(false), fc.constant(true)),
  isOld: mostly(fc.constant(false), fc.constant(true)),
  extensions: fc.tuple(
    ...[policies, mappings, policyLimits, anyPolicyLimit, usages, keyUsage, subjectKeyId].map(
      (each) => fc.oneof({ arbitrary: fc.constant(NOTHING), weight: 3 }, each),
    ),
    fc.oneof({ arbitrary: fc.constant(NOTHING), weight: 3 }, authorityKeyId),
  ),
  names: maybe(names),
  constraints: fc.oneof({ arbitrary: fc.constant(NOTHING), weight: 2 }, constraints),
  authority,
});

/** A root, certificates between, and a leaf; most of it right. */
export const anyChain: fc.Arbitrary<Buffer[]> = fc
  .array(link, { minLength: 2, maxLength: 4 })
  .map((links) =>
    links.map((each, index) => {
      const above = Math.max(0, index - 1);
      const isLeaf = index === links.length - 1;
      const algorithm =
        links[above]!.key === p384 ? sequence(oid("1.2.840.10045.4.3.3")) : undefined;
      const hash = algorithm === undefined ? "sha256" : "sha384";
      return certificate({
        subject: commonName(`${each.isSelfIssued ? above : index}`),
        issuer: commonName(`${above}`),
        key: each.key,
        signing: each.isSignedWrong
          ? { key: KEYS["rsa"]! }
          : { key: links[above]!.key, hash, ...(algorithm && { algorithm }) },
        version: each.isOld ? 0 : 2,
        ...(each.isExpired && { notAfter: der(0x17, "210101000000Z") }),
        extensions: [
          ...each.extensions,
          isLeaf ? NOTHING : each.authority,
          isLeaf ? each.names : NOTHING,
          isLeaf ? NOTHING : each.constraints,
        ].filter((bytes) => bytes.length > 0),
      });
    }),
  );

/** Options of `crypto.x509.parse_and_verify_certificates_with_options`. */
export const anyOptions: fc.Arbitrary<object> = fc.record(
  {
    KeyUsages: fc.constantFrom(
      ["KeyUsageAny"],
      ["KeyUsageAny"],
      ["KeyUsageClientAuth", "KeyUsageServerAuth"],
      ["KeyUsageCodeSigning"],
      ["none"],
    ),
    DNSName: fc.constantFrom("example.com", "x.EXAMPLE.com", "example.com.", "[10.0.0.1]", "a b"),
    CurrentTime: fc.constantFrom<unknown>(1_600_000_000e9, 1_600_000_000e9, -5, "x"),
  },
  { requiredKeys: ["KeyUsages"] },
);

/** The bytes with some of them changed. */
export function damaged(bytes: Bytes): Bytes {
  const change = fc.tuple(fc.nat(), fc.constantFrom(0, 1, 2, 4, 5, 6, 0x30, 0x31, 0x80, 0xff));
  return fc
    .tuple(bytes, fc.array(change, { minLength: 1, maxLength: 3 }))
    .map(([original, changes]) => {
      const copy = Buffer.from(original);
      for (const [at, byte] of changes) copy[at % copy.length] = byte;
      return copy;
    });
}
