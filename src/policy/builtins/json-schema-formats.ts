import { isIPv4, isIPv6 } from "node:net";
import { linearRegExp } from "./regexes.ts";

/** The formats that OPA checks; each takes time in proportion to the text. */
export const SCHEMA_FORMATS: Readonly<Record<string, (text: string) => boolean>> = {
  date: isDate,
  time: (text) => isTime(text) || TIME_WITHOUT_ZONE.test(text),
  "date-time": (text) => text[10] === "T" && isDate(text.slice(0, 10)) && isTime(text.slice(11)),
  hostname: (text) => text.length < 256 && HOSTNAME.test(text),
  email: (text) => EMAIL.test(text),
  "idn-email": (text) => EMAIL.test(text),
  ipv4: isIPv4,
  ipv6: (text) => isIPv6(text) && !text.includes("%"),
  uri: (text) => URI.test(text) && URL.canParse(text),
  iri: (text) => URI.test(text) && URL.canParse(text),
  "uri-reference": isReference,
  "iri-reference": isReference,
  "uri-template": (text) => isReference(text.replaceAll(/\{[^{}]*\}/g, "")),
  uuid: (text) => UUID.test(text),
  regex: (text) => {
    try {
      linearRegExp(text);
      return true;
    } catch {
      return false;
    }
  },
  "json-pointer": (text) => POINTER.test(text),
  "relative-json-pointer": (text) => RELATIVE_POINTER.test(text),
};

const DATE = /^(\d{4})-(\d\d)-(\d\d)$/;
const TIME = /^(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;
const TIME_WITHOUT_ZONE = /^(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d$/;
const HOSTNAME = /^[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?(?:\.[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?)*\.?$/i;
const EMAIL = /^[^\s@<>]{1,64}@[^\s@<>]{1,255}$/;
const URI = /^[a-z][a-z\d+.-]*:\S*$/i;
const UUID = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i;
const POINTER = /^(?:\/(?:[^~/]|~0|~1)*)*$/;
const RELATIVE_POINTER = /^(?:0|[1-9]\d*)(?:#|(?:\/(?:[^~/]|~0|~1)*)*)$/;

function isDate(text: string): boolean {
  const [, year = "", month = "", day = ""] = DATE.exec(text) ?? [];
  const date = new Date(`${year}-${month}-${day}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.getUTCDate() === Number(day);
}

function isTime(text: string): boolean {
  return TIME.test(text);
}

function isReference(text: string): boolean {
  return !/[\s\\]/.test(text) && URL.canParse(text, "http://base");
}
