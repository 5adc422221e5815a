import { createHash, createHmac } from "node:crypto";
import { formatTime } from "./go-layout.ts";
import { goJson } from "./go-json.ts";
import { textOfBytes } from "./go-text.ts";
import { escapedPath, parseUrl } from "./go-url.ts";
import { regoText } from "./go-format.ts";
import { type Operands, OperandError, wrongKind } from "./operands.ts";
import { type BuiltinFamily, family } from "./registry.ts";
import { compareStrings, RegoObject, RegoSet, type Value } from "./value.ts";
import { UTC } from "./zones.ts";

/** `providers.aws.sign_req`: AWS Signature Version 4. */
export const awsBuiltins: BuiltinFamily = family({ "providers.aws.sign_req": signRequest });

const CONFIG = ["aws_access_key", "aws_region", "aws_secret_access_key", "aws_service"];
const REQUEST = ["method", "url"];
/** What a proxy may change on the way is not signed. */
const UNSIGNED = new Set(["authorization", "user-agent", "x-amzn-trace-id"]);

function signRequest(operands: Operands): Value {
  const request = operands.object(1);
  const config = operands.object(2);
  const credentials = required(2, config, CONFIG, "AWS config");
  const time = operands.number(3).integer;
  if (time === undefined || BigInt.asIntN(64, time) !== time) {
    throw new OperandError("operand 3 could not convert time_ns value into a unix timestamp");
  }
  const { method, url } = required(1, request, REQUEST, "request");
  const headers = request.get("headers") ?? new RegoObject();
  if (!(headers instanceof RegoObject)) throw wrongKind(0, headers, "object");
  const unsigned = config.get("disable_payload_signing") ?? false;
  if (typeof unsigned !== "boolean") {
    throw new OperandError("operand 2 invalid value for 'disable_payload_signing' in AWS config");
  }
  const given = headers.entries.map(([name, value]) => [textOf(name), textOf(value)] as const);
  const hash = unsigned ? "UNSIGNED-PAYLOAD" : sha256(bodyOf(request));
  const signed = sign({
    method: method!,
    url: url!,
    given,
    hash,
    time,
    credentials,
    token: textOf(config.get("aws_session_token") ?? ""),
  });
  return new RegoObject([...request.entries, ["headers", new RegoObject([...given, ...signed])]]);
}

interface Signing {
  readonly method: string;
  readonly url: string;
  readonly given: readonly (readonly [name: string, value: string])[];
  readonly hash: string;
  readonly time: bigint;
  readonly credentials: Record<string, string>;
  readonly token: string;
}

/** The headers to be added. */
function sign(signing: Signing): (readonly [name: string, value: string])[] {
  const { aws_service: service = "", aws_region: region = "" } = signing.credentials;
  const url = parseUrl(signing.url);
  const day = formatTime("20060102", signing.time, UTC);
  const now = formatTime("20060102T150405Z", signing.time, UTC);
  const added: [string, string][] = [
    ["host", textOfBytes(url.host)],
    ["x-amz-date", now],
  ];
  if (service === "s3" || service === "glacier") added.push(["x-amz-content-sha256", signing.hash]);
  if (signing.token !== "") added.push(["x-amz-security-token", signing.token]);
  const toSign = new Map<string, string>(added);
  for (const [name, value] of signing.given) {
    if (!UNSIGNED.has(name.toLowerCase())) toSign.set(name.toLowerCase(), value);
  }
  const headers = [...toSign].toSorted(([a], [b]) => compareStrings(a, b));
  const names = headers.map(([name]) => name).join(";");
  const canonical = [
    signing.method,
    escapedPath(url),
    textOfBytes(url.rawQuery),
    ...headers.map(([name, value]) => `${name}:${value}`),
    "",
    names,
    signing.hash,
  ].join("\n");
  const scope = `${day}/${region}/${service}/aws4_request`;
  const text = `AWS4-HMAC-SHA256\n${now}\n${scope}\n${sha256(canonical)}`;
  const secret = Buffer.from(`AWS4${signing.credentials["aws_secret_access_key"] ?? ""}`);
  const key = [day, region, service, "aws4_request"].reduce(hmac, secret);
  const authorization =
    `AWS4-HMAC-SHA256 Credential=${signing.credentials["aws_access_key"] ?? ""}/${scope},` +
    `SignedHeaders=${names},Signature=${hmac(key, text).toString("hex")}`;
  return [["Authorization", authorization], ...added];
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function bodyOf(request: RegoObject): string {
  const raw = request.get("raw_body");
  if (raw !== undefined) return textOf(raw);
  const body = request.get("body");
  return body === undefined ? "" : goJson(body);
}

function textOf(value: Value): string {
  return typeof value === "string" ? value : "";
}

/** The strings that an object has to have. */
function required(
  position: number,
  object: RegoObject,
  names: readonly string[],
  what: string,
): Record<string, string> {
  const fail = (problem: string, wrong: readonly string[]): void => {
    if (wrong.length === 0) return;
    throw new OperandError(
      `operand ${position} ${problem} ${what} parameters(s): ${regoText(new RegoSet(wrong))}`,
    );
  };
  fail(
    "missing required",
    names.filter((name) => object.get(name) === undefined),
  );
  fail(
    "invalid values for required",
    names.filter((name) => typeof object.get(name) !== "string"),
  );
  return Object.fromEntries(names.map((name) => [name, object.get(name) as string]));
}
