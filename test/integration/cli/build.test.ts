import { cp, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { silentLogger } from "../../../src/common/logger.ts";
import { PolicyEngine } from "../../../src/policy/engine.ts";
import { readBundle } from "../../../src/policy/bundle.ts";
import { PolicyStore } from "../../../src/store/policy-store.ts";
import { findTool } from "../../../src/tools/find-tool.ts";
import { build, run, scratch } from "./cli.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const opa = await findTool("opa");

const REGO = `package authz

default allow := false

allow if nats.kv.get_data(input.bucket, concat(".", ["members", input.user])).role == data.wanted
`;

beforeAll(build, 120_000);

describe("build", () => {
  it.runIf(opa !== undefined)("compiles Rego and data to a bundle that can be served", async () => {
    await using dir = await scratch();
    await writeFile(join(dir.path, "authz.rego"), REGO);
    await writeFile(join(dir.path, "data.json"), '{"wanted": "admin"}');
    const args = [
      "build",
      "authz.rego",
      "data.json",
      "-e",
      "authz/allow",
      "-r",
      "v42",
      "-o",
      "b.tar.gz",
    ];
    const env = { OPA_BIN: opa };
    const built = await run(args, { cwd: dir.path, env }).exit;
    expect([built.code, built.stderr]).toEqual([0, "wrote b.tar.gz\n"]);
    const bundle = await readBundle(join(dir.path, "b.tar.gz"));
    expect(bundle).toMatchObject({ revision: "v42", packages: [["authz"]] });
    expect(bundle.data.text()).toBe('{"wanted":"admin"}');
    const engine = new PolicyEngine({
      store: new PolicyStore(),
      demand: undefined as never,
      queryTimeoutMs: 1_000,
    });
    await engine.activate(bundle);
    expect(engine.policy?.entrypoints).toEqual(["authz/allow"]);

    await writeFile(join(dir.path, "bad.rego"), "package bad\n\nallow if nats.kv.no_such(1)\n");
    const bad = await run(["build", "bad.rego", "-e", "bad/allow"], { cwd: dir.path, env }).exit;
    expect(bad.code).toBe(1);
    expect(bad.stdout + bad.stderr).toMatch(/bad\.rego:3: .*nats\.kv\.no_such/);
    expect(bad.stderr).toMatch(
      /TOOL_FAILED: opa build ended with exit code 1 for "bad\.rego"; its messages are above\.\n$/,
    );
  });

  it.runIf(opa !== undefined)("keeps print() only when it is asked to", async () => {
    await using dir = await scratch();
    const rego = 'package authz\n\nallow if print("user", input.user)\n';
    await writeFile(join(dir.path, "authz.rego"), rego);
    const printed: string[] = [];
    for (const flags of [[], ["--wasm-include-print"]]) {
      const args = ["build", "authz.rego", "-e", "authz/allow", ...flags];
      const built = await run(args, { cwd: dir.path, env: { OPA_BIN: opa } }).exit;
      expect(built.code).toBe(0);
      const engine = new PolicyEngine({
        store: new PolicyStore(),
        demand: undefined as never,
        queryTimeoutMs: 1_000,
        logger: { ...silentLogger, info: (_details, text) => printed.push(text) },
      });
      await engine.activate(await readBundle(join(dir.path, "bundle.tar.gz")));
      expect(await engine.decide("authz/allow", '{"user":"ann"}')).toBe("true");
      printed.push("decided");
    }
    expect(printed).toEqual(["decided", "user ann", "decided"]);
  });

  it("names the command that installs opa where there is none", async () => {
    await using dir = await scratch();
    // A copy of the package, so that no opa lies beside it; no PATH, and no module proxy for Go.
    for (const file of ["dist", "package.json", "capabilities.json"]) {
      await cp(join(ROOT, file), join(dir.path, "package", file), { recursive: true });
    }
    await symlink(join(ROOT, "node_modules"), join(dir.path, "package/node_modules"));
    await mkdir(join(dir.path, "empty"));
    const { code, stdout, stderr } = await run(["build", ".", "-e", "a/b"], {
      main: join(dir.path, "package/dist/cli/main.js"),
      cwd: dir.path,
      env: {
        PATH: join(dir.path, "empty"),
        OPA_BIN: "",
        GOPROXY: "off",
        HOME: dir.path,
        GOPATH: "",
        GOMODCACHE: "",
      },
    }).exit;
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(
      /TOOL_MISSING: opa is neither on PATH nor in \.tools\/bin.*Install it with: \S+ .*opa/s,
    );
  });

  it("refuses an OPA_BIN that is no program, and one that can't be started", async () => {
    const missing = await run(["build", ".", "-e", "a/b"], { env: { OPA_BIN: "/no/such/opa" } })
      .exit;
    expect(missing).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^TOOL_MISSING: OPA_BIN is "\/no\/such\/opa".*\n$/) as string,
    });
    await using dir = await scratch();
    const odd = join(dir.path, "opa");
    await writeFile(odd, "#!/no/such/interpreter\n", { mode: 0o755 });
    const failed = await run(["build", ".", "-e", "a/b"], { env: { OPA_BIN: odd } }).exit;
    expect(failed.code).toBe(1);
    expect(failed.stderr).toMatch(/^TOOL_FAILED: .*set OPA_BIN to the path of opa\.\n$/);
  });
});
