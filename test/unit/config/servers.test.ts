import { describe, expect, test } from "vitest";
import { parseConfig } from "../../../src/config/load.ts";
import { problemsIn } from "./refuse.ts";

const nats = (server_url: unknown) => parseConfig({ nats: { server_url } }).nats;

describe("server_url", () => {
  test.each([
    ["nats://localhost:4222", ["nats://localhost:4222"]],
    ["localhost", ["nats://localhost:4222"]],
    ["TLS://a.example.com", ["tls://a.example.com:4222"]],
    ["nats://a:1, nats://b:2 ,tls://c", ["nats://a:1", "nats://b:2", "tls://c:4222"]],
    [
      ["nats://a", "nats://a:4222", "b:80"],
      ["nats://a:4222", "nats://b:80"],
    ],
    ["nats://[::1]:4223", ["nats://[::1]:4223"]],
    ["nats://my_host/", ["nats://my_host:4222"]],
  ])("N34 %j", (value, servers) => {
    expect(nats(value).servers).toEqual(servers);
  });

  test("N31 a user before the host is taken out of the address", () => {
    const userpass = nats("nats://alice:p%40ss@a:1,nats://b:2");
    expect(userpass.servers).toEqual(["nats://a:1", "nats://b:2"]);
    expect(userpass.auth).toMatchObject({ mode: "userpass", username: "alice" });
    const { auth } = userpass;
    if (auth.mode !== "userpass" || !("value" in auth.password)) throw new Error("no password");
    expect(auth.password.value.reveal()).toBe("p@ss");
    expect(nats("nats://s3cret@a").auth).toMatchObject({ mode: "token" });
    expect(nats(["nats://u:p@a", "nats://u:p@b"]).servers).toHaveLength(2);
  });

  const shape = "write nats://host:4222";
  test.each<readonly [unknown, string]>([
    ["", `server_url = "": the address is empty; ${shape}`],
    [
      [],
      'server_url = a list: must be an address or a list of addresses; write "nats://localhost:4222"',
    ],
    [
      4222,
      'server_url = 4222: must be an address or a list of addresses; write "nats://localhost:4222"',
    ],
    [
      ["nats://a", 1],
      'server_url = a list: must be an address or a list of addresses; write "nats://localhost:4222"',
    ],
    [
      "wss://h",
      'server_url = "wss://h": WebSocket addresses are not supported; give the client port instead, such as nats://host:4222 or tls://host:4222',
    ],
    [
      "http://h",
      'server_url = "http://h": the scheme must be nats or tls; write nats://host:4222 or tls://host:4222',
    ],
    ["nats://", `server_url = "nats://": the host is missing; ${shape}`],
    ["nats://h:0", `server_url = "nats://h:0": the port must be from 1 to 65535; ${shape}`],
    ["nats://h:99999", `server_url = "nats://h:99999": the port must be at most 65535; ${shape}`],
    ["nats://h/path", `server_url = "nats://h/path": this is not a host and a port; ${shape}`],
    [
      "nats://h?token=s3cret",
      `server_url = "nats://h?<hidden>": this is not a host and a port; ${shape}`,
    ],
    [
      "::1",
      `server_url = "::1": this is not a host and a port (an IPv6 address stands in brackets: [::1]); ${shape}`,
    ],
    [
      "nats://[x]:1",
      `server_url = "nats://[x]:1": what stands in brackets is not an IPv6 address; ${shape}`,
    ],
    [
      "nats://a,nats://",
      `server_url = "nats://a,nats://": address 2: the host is missing; ${shape}`,
    ],
    ["u:s3cret@h:x", `server_url = "<hidden>@h:x": this is not a host and a port; ${shape}`],
    [["nats://a", "x y"], `server_url[1] = "x y": this is not a host and a port; ${shape}`],
    [
      "nats://u:s3cret@h:x",
      `server_url = "nats://<hidden>@h:x": this is not a host and a port; ${shape}`,
    ],
    [
      "nats://u:@h",
      'server_url = "nats://<hidden>@h": the user or the password before the @ is empty; write user:password@ or token@',
    ],
    [
      "nats://u:%zz@h",
      'server_url = "nats://<hidden>@h": what stands before the @ is not percent-encoded text; write a % of the password as %25',
    ],
    [
      ["nats://u:s3cret@a", "nats://u:other@b"],
      'server_url[1] = "nats://<hidden>@b": names another user than the address before; one connection has one identity, so give the same one',
    ],
  ])("N34 refused: %j", (server_url, problem) => {
    expect(problemsIn({ nats: { server_url } })).toEqual([`nats.${problem}`]);
  });

  test("N31 white space doesn't hide a user", () => {
    const nats = { server_url: ["nats://a", " nats://u:s3cret@b"], token: "x" };
    expect(problemsIn({ nats })).toEqual([
      "nats: more than one way to authenticate: token, a user in server_url; keep one of them",
    ]);
  });

  test("N34 a comma in a password can't bring it into the message", () => {
    expect(problemsIn({ nats: { server_url: "nats://u:s3,cret@h" } }).join()).not.toMatch(
      /s3|cret/,
    );
  });
});
