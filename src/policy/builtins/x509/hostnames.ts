import { isIP } from "node:net";
import { parseAddress } from "../addresses.ts";
import type { Certificate } from "./certificate.ts";
import { ipText } from "./general-names.ts";

/** Whether a certificate is for a host: a name, or an address, also in brackets. The common name does not count. */
export function isForHost(certificate: Certificate, host: string): boolean {
  const { names } = certificate.fields;
  const bare = /^\[(.+)\]$/s.exec(host)?.[1] ?? host;
  if (isIP(bare) !== 0 && !bare.includes("%")) {
    const wanted = parseAddress(bare)!;
    return names.addresses.some((bytes) => {
      const address = parseAddress(ipText(bytes))!;
      return address.bits === wanted.bits && address.value === wanted.value;
    });
  }
  const name = lowerCase(host);
  const isHostname = isValid(name.replace(/\.$/, ""), false);
  const labels = name.replace(/\.$/, "").split(".");
  return names.dns.some((pattern) => {
    const lower = lowerCase(pattern);
    // What is no host's name can only be the same.
    if (!isHostname || !isValid(pattern, true)) {
      return lower === name && name !== "" && name !== ".";
    }
    return matches(lower.split("."), labels);
  });
}

function matches(pattern: readonly string[], labels: readonly string[]): boolean {
  return (
    pattern.length === labels.length &&
    pattern.every((part, index) => (index === 0 && part === "*") || part === labels[index])
  );
}

/** A name of a host (RFC 6125, 2.2), with underscores; a pattern may have `*` for its first label. */
function isValid(host: string, isPattern: boolean): boolean {
  if (host === "" || host === "*") return false;
  return host
    .split(".")
    .every(
      (label, index) =>
        (isPattern && index === 0 && label === "*") || /^[\dA-Za-z_][\dA-Za-z_-]*$/.test(label),
    );
}

function lowerCase(text: string): string {
  return text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
}
