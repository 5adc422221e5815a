import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { installPeer } from "./go-peer.mjs";

// OPA's own server beside ours, plain or with the Go plugin opa-nats.

/** Installs OPA with the plugin; the answer is its file, undefined (and the reason reported) where it can't be had. */
export async function installOpaWithPlugin(report) {
  try {
    const file = await installPeer("github.com/permitio/opa-nats/cmd/opa-nats@latest");
    if (file === undefined) report({ opa_nats: "can't be built: there is no Go" });
    return file;
  } catch (error) {
    const [reason] = String(error.stderr ?? error.message)
      .split("\n")
      .filter((line) => line !== "");
    report({ opa_nats: `can't be built: ${reason}` });
    return undefined;
  }
}

/** Starts OPA with the plugin on a NATS server; its config goes into `folder`. */
export async function startOpaWithPlugin(file, folder, natsUrl, rego) {
  const config = join(folder, "opa-nats.json");
  const nats = { server_url: natsUrl, root_bucket: "root", max_bucket_watchers: 10, ttl: "10m" };
  await writeFile(config, JSON.stringify({ plugins: { nats } }));
  return startOpaServer("opa-nats", file, ["--config-file", config, rego]);
}

export async function startOpaServer(name, file, args) {
  const addr = `127.0.0.1:${await freePort()}`;
  const quiet = ["--log-level", "error", "--disable-telemetry"];
  const child = spawn(file, ["run", "--server", "--addr", addr, ...quiet, ...args], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  return { name, child, url: `http://${addr}` };
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}
