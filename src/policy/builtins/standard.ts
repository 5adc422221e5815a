import { awsBuiltins } from "./aws.ts";
import { castBuiltins } from "./casts.ts";
import { certificateBuiltins } from "./certificates.ts";
import { diagnosticBuiltins } from "./diagnostics.ts";
import { encodingBuiltins } from "./encodings.ts";
import { graphqlBuiltins } from "./graphqls.ts";
import { hashBuiltins } from "./hashes.ts";
import { schemaBuiltins } from "./json-schemas.ts";
import { jwtBuiltins } from "./jwts.ts";
import { networkBuiltins } from "./networks.ts";
import { numberBuiltins } from "./numbers.ts";
import { objectBuiltins } from "./objects.ts";
import { patchBuiltins } from "./json-patch.ts";
import { privateKeyBuiltins } from "./private-keys.ts";
import { regexBuiltins } from "./regexes.ts";
import type { BuiltinFamily } from "./registry.ts";
import { semverBuiltins } from "./semver.ts";
import { stringBuiltins } from "./strings.ts";
import { timeBuiltins } from "./times.ts";
import { unitBuiltins } from "./units.ts";
import { urlBuiltins } from "./urls.ts";
import { uuidBuiltins } from "./uuids.ts";
import { yamlBuiltins } from "./yamls.ts";

/** OPA's own builtins, as far as policy modules don't bring them themselves. */
export function standardBuiltins(): BuiltinFamily {
  return [
    awsBuiltins,
    castBuiltins,
    certificateBuiltins,
    diagnosticBuiltins,
    encodingBuiltins,
    graphqlBuiltins,
    hashBuiltins,
    jwtBuiltins,
    networkBuiltins,
    numberBuiltins,
    objectBuiltins,
    patchBuiltins,
    privateKeyBuiltins,
    regexBuiltins,
    schemaBuiltins,
    semverBuiltins,
    stringBuiltins,
    timeBuiltins,
    unitBuiltins,
    urlBuiltins,
    uuidBuiltins,
    yamlBuiltins,
  ].flat();
}
