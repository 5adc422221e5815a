import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  anyCertificate,
  anyChain,
  anyOptions,
  anyRequest,
  damaged,
  KEYS,
} from "../../support/certificate-arbitraries.ts";
import { compareWithOpa } from "../../support/compare-with-opa.ts";
import { certificate, commonName, pem } from "../../support/der-certificates.ts";
import type { BuiltinCase } from "../../support/opa-eval.ts";
import { opaForTests } from "../../support/opa-server.ts";

const opa = await opaForTests();
const RUNS = 150;
/** The same certificates each time, but for their keys; another number tries others. */
const SEED = Number(process.env["FC_SEED"] ?? 1);

function some<T>(arbitrary: fc.Arbitrary<T>): T[] {
  return fc.sample(arbitrary, { numRuns: RUNS, seed: SEED });
}

const base64 = (bytes: Buffer): string => bytes.toString("base64");

describe.skipIf(opa === undefined)("crypto.x509 answers what OPA answers", () => {
  it("to certificates, right and damaged", async () => {
    const { differences, answered } = await compareWithOpa(
      opa!,
      [...some(anyCertificate), ...some(damaged(anyCertificate))].map((bytes) => ({
        name: "crypto.x509.parse_certificates",
        args: [base64(bytes)],
      })),
    );
    expect(differences).toEqual([]);
    expect(answered).toBeGreaterThan(RUNS / 20);
  });

  it("to certificate requests, right and damaged", async () => {
    const { differences, answered } = await compareWithOpa(
      opa!,
      [...some(anyRequest), ...some(damaged(anyRequest))].map((bytes) => ({
        name: "crypto.x509.parse_certificate_request",
        args: [base64(bytes)],
      })),
    );
    expect(differences).toEqual([]);
    expect(answered).toBeGreaterThan(RUNS / 20);
  });

  it("to chains, with and without options", async () => {
    const withOptions = "crypto.x509.parse_and_verify_certificates_with_options";
    const { differences, verified } = await compareWithOpa(
      opa!,
      some(fc.tuple(anyChain, anyOptions)).flatMap(([chain, options]) => {
        const text = chain.map((bytes) => pem(bytes)).join("");
        return [
          { name: "crypto.x509.parse_and_verify_certificates", args: [text] },
          { name: withOptions, args: [text, options] },
        ];
      }),
    );
    expect(differences).toEqual([]);
    expect(verified).toBeGreaterThan(RUNS / 20);
  });

  it("to keys, alone and with a certificate, in every form", async () => {
    const forms = [
      ["pkcs8", "PRIVATE KEY"],
      ["pkcs1", "RSA PRIVATE KEY"],
      ["sec1", "EC PRIVATE KEY"],
    ] as const;
    const cases: BuiltinCase[] = [];
    for (const key of Object.values(KEYS)) {
      const own = certificate({
        subject: commonName("x"),
        issuer: commonName("x"),
        signing: { key: KEYS["ed25519"]! },
        key,
      });
      for (const [type, label] of forms) {
        if (type === "pkcs1" && key.asymmetricKeyType !== "rsa") continue;
        if (type === "sec1" && key.asymmetricKeyType !== "ec") continue;
        const bytes = key.export({ type, format: "der" } as never) as unknown as Buffer;
        cases.push(
          { name: "crypto.parse_private_keys", args: [pem(bytes, label)] },
          { name: "crypto.x509.parse_rsa_private_key", args: [pem(bytes, label)] },
          { name: "crypto.x509.parse_keypair", args: [pem(own), pem(bytes, label)] },
          { name: "crypto.x509.parse_keypair", args: [base64(own), base64(bytes)] },
        );
      }
    }
    const { differences, answered } = await compareWithOpa(opa!, cases);
    expect(differences).toEqual([]);
    expect(answered).toBeGreaterThan(cases.length / 2);
  });
});
