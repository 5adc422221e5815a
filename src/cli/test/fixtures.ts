import { readdir, readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parse as parseYaml } from "yaml";
import { BUCKET_NAME } from "../../common/bucket-names.ts";
import { objectFields, objectText, parseJsonText } from "../../common/json-text.ts";
import { BridgeError, messageOf, quote } from "../../errors.ts";
import { PolicyStore } from "../../store/policy-store.ts";
import { decodeValue } from "../../store/value.ts";

/** Buckets as files give them. */
export interface Fixtures {
  /** The folder that they are in, absolute; undefined where there is none. */
  readonly folder: string | undefined;
  /** The root bucket's document as JSON text, `{}` where there is none. */
  readonly root: string;
  readonly rootBucket: string | undefined;
  /** The other buckets' documents, by name, as the JSON text of an object. */
  readonly kv: string;
  /** How many keys each bucket has, as the JSON text of an object: a bucket that was filled once has such a revision. */
  readonly revisions: string;
}

const NAME = /^(.+)\.(json|ya?ml)$/;

/** Reads the fixtures of a folder; without one given, of `fixtures` in the first of the paths, or here. */
export async function readFixtures(
  given: string | undefined,
  paths: readonly string[],
  rootBucket: string | undefined,
): Promise<Fixtures> {
  const folder = given === undefined ? await usualFolder(paths) : resolve(given);
  const documents: [bucket: string, text: string][] = [];
  const revisions: [bucket: string, keys: string][] = [];
  for (const file of folder === undefined ? [] : await filesOf(folder)) {
    const [, bucket = "", format = ""] = NAME.exec(file) ?? [];
    if (bucket === "") continue;
    const path = join(folder!, file);
    if (!BUCKET_NAME.test(bucket)) {
      throw unusable(path, "is not named as a bucket; use letters, digits, - and _ only");
    }
    if (documents.some(([other]) => other === bucket)) {
      throw unusable(path, "is the second one for its bucket; keep one of the two");
    }
    const { text, keys } = documentOf(bucket, await readObject(path, format), path);
    documents.push([bucket, text]);
    revisions.push([bucket, String(keys)]);
  }
  const root = documents.find(([bucket]) => bucket === rootBucket)?.[1];
  if (rootBucket !== undefined && root === undefined) {
    const where = folder ?? "fixtures";
    throw unusable(join(where, `${rootBucket}.json`), "is not there, but is the root bucket's");
  }
  return {
    folder,
    root: root ?? "{}",
    rootBucket,
    kv: objectText(documents.filter(([bucket]) => bucket !== rootBucket)),
    revisions: objectText(revisions),
  };
}

async function usualFolder(paths: readonly string[]): Promise<string | undefined> {
  for (const folder of [join(paths[0] ?? ".", "fixtures"), "fixtures"]) {
    const found = await stat(folder).catch(() => undefined);
    if (found?.isDirectory() === true) return resolve(folder);
  }
  return undefined;
}

async function filesOf(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).toSorted();
  } catch (error) {
    throw unusable(folder, `can't be read (${messageOf(error)}); name the folder by --fixtures`);
  }
}

async function readObject(path: string, format: string): Promise<string> {
  let text: string | undefined;
  try {
    const content = await readFile(path, "utf8");
    // As text, JSON keeps every digit of its numbers.
    text = format === "json" ? content : JSON.stringify(parseYaml(content) ?? {});
    JSON.parse(text);
  } catch (error) {
    throw unusable(path, `can't be read (${messageOf(error)}); write JSON or YAML`);
  }
  const object = parseJsonText(text);
  if (object?.startsWith("{") !== true) {
    throw unusable(path, "does not hold an object; write the bucket's keys and their values");
  }
  return object;
}

/** The document that the bridge would make of these keys: dots lead down, as in NATS. */
function documentOf(bucket: string, object: string, path: string): { text: string; keys: number } {
  const document = new PolicyStore().createDocument(bucket);
  let revision = 0;
  for (const [key, text] of objectFields(object)) {
    const value = decodeValue(Buffer.from(text), key.split(".").length);
    if ("refused" in value) {
      throw unusable(path, `has a value for ${quote(key)} that can't be used: ${value.refused}`);
    }
    document.apply({ key, revision: ++revision, value });
  }
  return { text: document.text([]) ?? "{}", keys: revision };
}

function unusable(path: string, what: string): BridgeError {
  return new BridgeError("CONFIG_INVALID", `The fixture ${quote(path)} ${what}.`);
}
