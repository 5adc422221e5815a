import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connect, type NatsConnection } from "nats";
import { type Browser, chromium, type Locator, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Bridge, createBridge } from "../../../src/bridge.ts";
import { type PolicyServer, startServer } from "../../../src/server/server.ts";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { BASIC, startService } from "./service.ts";

const SCREENSHOTS = fileURLToPath(new URL("../../../.artifacts/console/", import.meta.url));
const TOKEN = "s3cret-of-the-test";

const BROWSER = [
  process.env["CHROMIUM_BIN"] ?? "",
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
].find((file) => file !== "" && existsSync(file));

// On a machine of one's own the browser may be missing; where everything has to hold it may not.
const skipped = BROWSER === undefined && process.env["CI"] !== "true";
if (skipped)
  console.warn("the console is not tested: no Chromium; install it, or set CHROMIUM_BIN");

let nats: NatsServer;
let client: NatsConnection;
let bridge: Bridge;
let server: PolicyServer;
let browser: Browser;

async function put(key: string, text: string, bucket = "team"): Promise<void> {
  await (await client.jetstream().views.kv(bucket)).put(key, text);
}

/** As a browser whose user has given the token in this tab before. */
async function signedIn(): Promise<Page> {
  const page = await browser.newPage();
  await page.addInitScript(`sessionStorage.setItem("nats-opa-bridge.token", "${TOKEN}")`);
  return page;
}

async function serve(port: number): Promise<PolicyServer> {
  return startServer(bridge, {
    ...bridge.config.server,
    port,
    authentication: "token",
    tokenFile: join(nats.dir, "tokens"),
    shutdownGraceMs: 1_000,
  });
}

describe.skipIf(skipped)("the console", () => {
  beforeAll(async () => {
    await mkdir(SCREENSHOTS, { recursive: true });
    nats = await startNatsServer();
    client = await connect({ servers: nats.url });
    const manager = await client.jetstreamManager();
    await manager.streams.add({ name: "LOG", subjects: ["log"] });
    await put("members.alice", '{"role":"admin"}');
    await put("digits", "9007199254740993");
    await put("markup", '"<img src=x onerror=alert(1)>"');
    await put("a", "1", "odd");
    await put("a.b", "2", "odd");
    await put("groups.admins", '["alice"]', "schema");
    await put("basic.allow", "true", "schema");
    bridge = await createBridge({
      nats: { server_url: nats.url, root_bucket: "schema" },
      bundle: { file: BASIC },
      decision_logs: { nats: { subject: "log" } },
    });
    for (const bucket of ["team", "odd"]) await bridge.manager.getOrCreateWatcher(bucket);
    await writeFile(join(nats.dir, "tokens"), `${TOKEN}\n`);
    server = await serve(0);
    browser = await chromium.launch({
      ...(BROWSER !== undefined && { executablePath: BROWSER }),
      args: ["--no-sandbox"],
    });
  });

  afterAll(async () => {
    await browser?.close();
    await server?.close();
    await bridge?.close();
    await client?.close();
    await nats?.[Symbol.asyncDispose]();
  });

  it("shows its files to everybody, and nothing else without a token", async () => {
    const page = await fetch(`${server.url}/console`);
    expect(page.status).toBe(200);
    expect(page.headers.get("content-security-policy")).toMatch(
      /^default-src 'none'; script-src 'self';/,
    );
    expect((await fetch(`${server.url}/v1/status`)).status).toBe(401);
    expect((await fetch(`${server.url}/v1/decisions`)).status).toBe(401);
    expect((await fetch(`${server.url}/console/../v1/status`)).status).toBe(401);
  });

  it("shows health, buckets, data, a decision, changes and decisions, on a phone and by keyboard", async () => {
    const page = await browser.newPage({ viewport: { width: 390, height: 844 } });
    const wrong = watchFor(page);
    await page.goto(`${server.url}/console`);
    await page.keyboard.press("Tab");
    const token = page.getByLabel("This service asks for a bearer token");
    await page.getByText("A token is needed").waitFor();
    expect(await page.getByRole("heading", { level: 2 }).allTextContents()).toEqual(["Token"]);
    await page.screenshot({ path: join(SCREENSHOTS, "token.png") });
    await token.fill("another");
    await token.press("Enter");
    await page.getByText("The token is not accepted").waitFor();
    await token.fill(TOKEN);
    await token.press("Enter");
    await page.getByText("Ready", { exact: true }).waitFor();
    // A wide table scrolls by itself; the page doesn't.
    const isWide = "document.documentElement.scrollWidth > document.documentElement.clientWidth";
    expect(await page.evaluate(isWide)).toBe(false);

    const row = page.getByRole("row", { name: /^team/ });
    expect(await row.getByRole("cell").allTextContents()).toEqual(
      expect.arrayContaining(["live", "3"]),
    );

    const data = page.locator("#data");
    await data.getByText("team", { exact: true }).press("Enter");
    await data.getByText("digits: 9007199254740993").waitFor();
    await data.getByText("<img src=x onerror=alert(1)>").waitFor();

    await page.getByLabel("Path").fill("basic/value");
    await page.getByLabel("Input (JSON)").fill('{"bucket": "team", "key": "digits"}');
    await page.getByRole("button", { name: "Decide" }).press("Enter");
    await page.getByText("Revisions used: team @3").waitFor();
    expect(await page.locator("#answer pre").allTextContents()).toEqual([
      "9007199254740993",
      expect.stringContaining('"result": 9007199254740993'),
    ]);
    await page.locator("#decisions").getByText("basic/value → 9007199254740993").waitFor();

    await put("news", "1");
    await page.locator("#changes").getByText("put team news @4").waitFor();
    await page.screenshot({ path: join(SCREENSHOTS, "phone.png"), fullPage: true });
    await page.setViewportSize({ width: 1280, height: 900 });
    await page.screenshot({ path: join(SCREENSHOTS, "desktop.png"), fullPage: true });
    expect(wrong).toEqual([]);
    await page.close();
  });

  it("names the keys that policies don't see, and shows the root bucket as a tree", async () => {
    const page = await signedIn();
    await page.goto(`${server.url}/console`);
    await page.getByText("odd: hidden by deeper keys: a", { exact: true }).waitFor();
    await page.getByText(/^schema: refused: basic\.allow \(.+\)$/).waitFor();

    const data = page.locator("#data");
    const branch = (name: string): Locator => data.locator("summary", { hasText: name });
    await branch("schema at the top of data").press("Enter");
    await branch("groups").press("Enter");
    await branch("admins [1]").press("Enter");
    await data.getByText('0: "alice"').waitFor();
    // What is the policy's, and what is in other buckets, is not the root bucket's.
    const names = data.locator("details:has(> summary:has-text('schema')) summary");
    expect(await names.allTextContents()).toEqual([
      "schema at the top of data",
      "groups",
      "admins [1]",
    ]);
    await page.close();
  });

  it("lists decisions by the time at which they were made, each one once, whatever is lost meanwhile", async () => {
    await bridge.decide("basic/value", { bucket: "team", key: "members" });
    const page = await signedIn();
    // The page's own clock is another one.
    const wrongTime = new Date(Date.now() - 6 * 3_600_000);
    await page.clock.setFixedTime(wrongTime);
    await page.goto(`${server.url}/console`);
    const decision = page.locator("#decisions li", {
      hasText: 'basic/value → {"alice":{"role":"admin"}}',
    });
    await decision.waitFor();
    const shown = await decision.locator("time").getAttribute("datetime");
    expect(new Date(shown!).getTime()).toBeGreaterThan(wrongTime.getTime() + 5 * 3_600_000);

    const before = await page.locator("#decisions li").count();
    const { port } = new URL(server.url);
    await server.close();
    await page.getByText(/The service can't be asked/).waitFor();
    server = await serve(Number(port));
    await page.getByText("Ready", { exact: true }).waitFor();
    await bridge.decide("basic/value", { bucket: "team", key: "no.such" });
    await page.getByText("basic/value → null").waitFor();
    expect(await page.locator("#decisions li").count()).toBe(before + 1);
    await page.close();
  });

  it("stands still while it is paused, and then shows what has happened", async () => {
    const page = await signedIn();
    await page.goto(`${server.url}/console`);
    await page.locator("#feed-state").getByText("Listening", { exact: true }).waitFor();
    const pause = page.getByRole("button", { name: "Pause" });
    await pause.press("Enter");
    await page.getByText("Both lists stand still").waitFor();
    await put("late", "1");
    // The decision tester is not paused, and has seen the same change.
    await page.getByLabel("Path").fill("basic/value");
    const input = page.getByLabel("Input (JSON)");
    await input.fill('{"bucket": "team", "key": "late"}');
    const answer = page.locator("#answer pre").first();
    await expect
      .poll(
        async () => {
          await input.press("Control+Enter");
          return answer.textContent({ timeout: 5_000 });
        },
        { timeout: 20_000 },
      )
      .toBe("1");
    expect(await page.locator("#changes li").count()).toBe(0);
    await pause.press("Enter");
    await page.locator("#changes").getByText("put team late @").waitFor();
    await page.close();
  });

  it("says that the decision log is off, and doesn't ask for it again", async () => {
    await using service = await startService(BASIC, { server_url: nats.url });
    const page = await browser.newPage();
    await page.clock.install();
    const asked: string[] = [];
    page.on("request", (request) => asked.push(new URL(request.url()).pathname));
    const times = (path: string): number => asked.filter((one) => one === path).length;
    await page.goto(`${service.url}/console`);
    await page
      .locator("#decisions-state")
      .getByText(/^NOT_SUPPORTED: .+decision_logs/)
      .waitFor();
    // What is asked for again meanwhile shows that the page's time goes by.
    const before = times("/v1/status");
    await expect
      .poll(
        async () => {
          await page.clock.runFor(1_000);
          return times("/v1/status") - before;
        },
        { timeout: 20_000 },
      )
      .toBeGreaterThan(3);
    expect(times("/v1/decisions")).toBe(1);
    await page.close();
  });

  it("says what is wrong with an input, that NATS is away, and that the service can't be asked", async () => {
    const page = await signedIn();
    await page.goto(`${server.url}/console`);
    await page.getByText("Ready", { exact: true }).waitFor();
    await page.getByLabel("Path").fill("basic/value");
    await page.getByLabel("Input (JSON)").fill("{");
    await page.getByRole("button", { name: "Decide" }).click();
    expect(await page.locator("#answer .bad").textContent()).toMatch(/JSON/);
    await nats.kill();
    await page.getByText("Ready, from copies: NATS is not connected", { exact: true }).waitFor();
    await server.close();
    await page.getByText(/The service can't be asked/).waitFor();
    await page.close();
  });
});

/** Everything that must not happen: errors, scripts that were stopped, requests to elsewhere. */
function watchFor(page: Page): string[] {
  const wrong: string[] = [];
  page.on("pageerror", (error) => wrong.push(error.message));
  page.on("dialog", (dialog) => wrong.push(dialog.message()));
  page.on("console", (message) => {
    // A browser notes each refusal; the first answers, before there is a token, are some.
    if (message.type() === "error" && !message.text().includes("401")) wrong.push(message.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(server.url)) wrong.push(request.url());
  });
  return wrong;
}
