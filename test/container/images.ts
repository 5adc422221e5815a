import { fileURLToPath } from "node:url";
import { GenericContainer } from "testcontainers";

export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url));

export const NATS_IMAGE: string = process.env["NATS_IMAGE"] ?? "nats:2.12-alpine";

/** The bridge's image: the one that `BRIDGE_IMAGE` names, or one that is built from this tree. */
export async function bridgeImage(): Promise<string> {
  const given = process.env["BRIDGE_IMAGE"];
  if (given !== undefined) return given;
  const name = "nats-opa-bridge";
  const node = process.env["NODE_IMAGE"];
  await GenericContainer.fromDockerfile(ROOT)
    .withBuildArgs(node === undefined ? {} : { NODE_IMAGE: node })
    .build(name, { deleteOnExit: false });
  return name;
}
