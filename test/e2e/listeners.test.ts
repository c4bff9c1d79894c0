import assert from "node:assert/strict";
import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { WebSocket } from "ws";
import {
  command,
  freePort,
  lwtBroker,
  missing,
  peer,
  temporaryFolder,
  type TestBroker,
} from "../support/processes.js";
import { connectPacket, packet, PINGREQ } from "../support/packets.js";
import { certificate, tcpServer } from "../support/servers.js";

const TLS = ["--tls-cert", certificate("server"), "--tls-key", certificate("key"), "--tls-port", "0"];
const WS = ["--ws-port", "0"];
const noMosquitto = missing("mosquitto", ["-h"]);
const CONNACK = "20020000";
const PINGRESP = "d000";

/** The port of each scheme. */
async function portsOf({ process }: TestBroker): Promise<Record<string, number>> {
  const { urls } = await process.event("listening");
  return Object.fromEntries(urls.map(url => [url.split(":")[0] ?? "", Number(new URL(url).port)]));
}

interface Opening {
  path?: string;
  protocols?: string[];
  origin?: string;
  host?: string;
}

/** The WebSocket, or the HTTP status that refused it. */
async function open(t: TestContext, port: number, how: Opening = {}): Promise<WebSocket | number> {
  const { path = "/mqtt", protocols = ["mqtt"], origin, host } = how;
  const options = { ...(origin && { origin }), ...(host && { headers: { Host: host } }) };
  const webSocket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, options);
  t.after(() => webSocket.terminate());
  webSocket.on("error", () => {});
  const refused = once(webSocket, "unexpected-response").then(([, { statusCode }]) => statusCode as number);
  return Promise.race([once(webSocket, "open").then(() => webSocket), refused]);
}

/** Sends these frames, and gives what came until it is so long, in hexadecimal. */
async function answers(webSocket: WebSocket, frames: Buffer[], length: number): Promise<string> {
  let all = "";
  const complete = new Promise<void>((resolve, reject) => {
    webSocket.on("message", (data: Buffer, isBinary) => {
      assert.ok(isBinary);
      all += data.toString("hex");
      if (all.length >= length) resolve();
    });
    webSocket.once("close", () => reject(new Error(`closed after ${all}`)));
  });
  for (const frame of frames) webSocket.send(frame);
  await complete;
  return all;
}

async function connected(t: TestContext, port: number, clientId: string): Promise<WebSocket> {
  const webSocket = await open(t, port);
  assert.ok(webSocket instanceof WebSocket);
  await answers(webSocket, [connectPacket({ clientId, will: WILL })], CONNACK.length);
  return webSocket;
}

const WILL = { topic: "ward/status", payload: "Offline", qos: 1, retain: false } as const;

test("WebSocket: packets may be split over frames, and several be in one; both paths are open", async t => {
  const { ws = 0 } = await portsOf(await lwtBroker(t, ...WS));
  for (const path of ["/mqtt", "/", "/mqtt?x=1"]) {
    const webSocket = await open(t, ws, { path, protocols: ["mqttv3.1", "mqtt"] });
    assert.ok(webSocket instanceof WebSocket, path);
    assert.equal(webSocket.protocol, "mqtt");
    const bytes = Buffer.concat([connectPacket({ clientId: "split" }), PINGREQ, PINGREQ]);
    const frames = [bytes.subarray(0, 1), bytes.subarray(1, 9), bytes.subarray(9)];
    assert.equal(await answers(webSocket, frames, 16), CONNACK + PINGRESP + PINGRESP);
  }
});

test("WebSocket: a page of another origin is refused, whatever name it connects to", async t => {
  const broker = await lwtBroker(t, ...WS, "--ws-origin", "https://class.example", "--ws-origin", "null");
  const { ws = 0 } = await portsOf(broker);
  const own = ["http://127.0.0.1:8000", "http://localhost", "https://class.example", "null"];
  for (const origin of own) assert.ok((await open(t, ws, { origin })) instanceof WebSocket, origin);
  const foreign = [
    "http://evil.example",
    "https://class.example:444",
    "http://class.example",
    "http://127.0.0.1.evil.example",
    "file://",
    "\u00e9",
  ];
  for (const origin of foreign) assert.equal(await open(t, ws, { origin }), 403, origin);
  // DNS rebinding: the page's own name leads here.
  const rebound = { origin: "http://evil.example", host: "evil.example" };
  assert.equal(await open(t, ws, rebound), 403);
  const all = () => broker.process.all("client-refused");
  const told = await broker.process.waitFor("all of them", () =>
    all().length > foreign.length ? all() : undefined,
  );
  assert.match(told[0]?.reason ?? "", /page from http:\/\/evil\.example: not allowed by --ws-origin/);
});

test("WebSocket: what is no MQTT over it is refused, and named", async t => {
  const broker = await lwtBroker(t, ...WS);
  const { ws = 0 } = await portsOf(broker);
  assert.equal(await open(t, ws, { path: "/other" }), 404);
  await broker.process.event("client-refused", { reason: "a WebSocket at another path than /mqtt" });
  assert.equal(await open(t, ws, { protocols: [] }), 400);
  assert.equal(await open(t, ws, { protocols: ["mqttv3.1"] }), 400);
  await broker.process.event("client-refused", {
    reason: "a WebSocket without the subprotocol mqtt [MQTT-6.0.0-3]",
  });
  const [answer] = (await once(get(`http://127.0.0.1:${ws}/`), "response")) as [IncomingMessage];
  assert.equal(answer.statusCode, 426);
  answer.resume();
  const plain = connect(ws, "127.0.0.1").on("error", () => {});
  const closed = once(plain.resume(), "close");
  plain.write(connectPacket({ clientId: "plain" }));
  await broker.process.event("client-refused", { reason: "no WebSocket, which this port requires" });
  await closed;
});

test("WebSocket: a text frame breaks the protocol, a large one a limit; both send the will", async t => {
  const broker = await lwtBroker(t, ...WS);
  const { ws = 0 } = await portsOf(broker);
  const large = packet(0x30, Buffer.from([0, 1, 0x61]), Buffer.alloc(1024 * 1024));
  const ends: [clientId: string, frame: string | Buffer, cause: string][] = [
    ["text", "0\u0005\0\u0001aHi", "protocol-error"], // in a binary frame a PUBLISH
    ["large", large, "limit"],
    // Short enough for a frame, and too large for a packet.
    ["packet", large.subarray(0, 300_000), "limit"],
  ];
  for (const [clientId, frame, cause] of ends) {
    const webSocket = await connected(t, ws, clientId);
    webSocket.send(frame);
    const { cause: told } = await broker.process.event("client-disconnected", { clientId });
    assert.equal(told, cause, clientId);
    await broker.process.event("will-published", { clientId, cause });
  }
});

test("WebSocket: pings are answered", async t => {
  const broker = await lwtBroker(t, ...WS);
  const { ws = 0 } = await portsOf(broker);
  const webSocket = await connected(t, ws, "pinger");
  webSocket.ping("there?");
  assert.equal(String((await once(webSocket, "pong"))[0]), "there?");
});

test("TLS: 1.1 is refused; who speaks no TLS, or does not trust the certificate, is named", async t => {
  const broker = await lwtBroker(t, ...TLS, ...WS);
  const { mqtts = 0, wss = 0 } = await portsOf(broker);
  for (const port of [mqtts, wss]) {
    const old = connectTls({
      port,
      host: "127.0.0.1",
      minVersion: "TLSv1",
      maxVersion: "TLSv1.1",
      ciphers: "DEFAULT@SECLEVEL=0",
      rejectUnauthorized: false,
    });
    await assert.rejects(once(old, "secureConnect"), { code: /VERSION|PROTOCOL/ });
    const plain = connect(port, "127.0.0.1").on("error", () => {});
    plain.write(connectPacket({ clientId: "plain" }));
    await once(plain.resume(), "close");
  }
  const reasons = () => broker.process.all("client-refused").map(({ reason }) => reason);
  const times = (reason: string) => reasons().filter(each => each === reason).length;
  await broker.process.waitFor("both, twice", () =>
    times("its TLS is older than 1.2") === 2 && times("no TLS, which this port requires") === 2
      ? true
      : undefined,
  );
});

test("TLS: a client that does not trust the certificate is named", { skip: noMosquitto }, async t => {
  const broker = await lwtBroker(t, ...TLS);
  const { mqtts = 0 } = await portsOf(broker);
  const way = ["-h", "127.0.0.1", "-p", String(mqtts), "--cafile", certificate("client")];
  await peer(t, "mosquitto_pub", [...way, "-t", "x", "-m", "x"]).ended;
  await broker.process.event("client-refused", {
    reason: "it does not trust the certificate of --tls-cert",
  });
});

test("--tls-only: no port without TLS, and the first URL is that of TLS", async t => {
  const broker = await lwtBroker(t, ...TLS, ...WS, "--tls-only");
  const { url, urls } = await broker.process.event("listening");
  assert.equal(url, urls[0]);
  assert.deepEqual(
    urls.map(each => each.replace(/\d+(?=\/|$)/, "")),
    ["mqtts://127.0.0.1:", "wss://127.0.0.1:/mqtt"],
  );
});

test("the broker stops while some have only connected", async t => {
  const broker = await lwtBroker(t, ...TLS, ...WS);
  const ports = Object.values(await portsOf(broker));
  const silent = ports.map(port => connect(port, "127.0.0.1").on("error", () => {}));
  await Promise.all(silent.map(socket => once(socket, "connect")));
  const closed = silent.map(socket => once(socket.resume(), "close"));
  broker.process.child.send("stop");
  assert.equal(await broker.process.exit(), 0);
  await Promise.all(closed);
  const late = broker.process.all("client-refused").filter(({ reason }) => reason.includes("within"));
  assert.deepEqual(late, [], "it did not wait until they were out of time");
});

test("a listener that can't be: exit code 1 or 2, a line on what, a line on what next", async t => {
  const taken = await tcpServer(t, () => {});
  const cert = ["--tls-cert", certificate("server")];
  const key = ["--tls-key", certificate("key")];
  const missing = path.join(temporaryFolder(t), "none.pem");
  const wrong: [args: string[], exit: number, says: RegExp][] = [
    [
      ["--ws-port", String(taken)],
      1,
      /port \d+ on 127\.0\.0\.1 is already in use.*lwt-broker --ws-port \d+$/,
    ],
    [[...cert, ...key, "--tls-port", String(taken)], 1, /is already in use.*lwt-broker --tls-port \d+$/],
    [[...cert, "--tls-key", certificate("other-key")], 2, /--tls-key is not the key of --tls-cert/],
    [[...cert, "--tls-key", certificate("server")], 2, /--tls-key has no private key/],
    [["--tls-cert", certificate("key"), ...key], 2, /--tls-cert has no certificate/],
    [["--tls-cert", missing, ...key], 2, /cannot read .* for --tls-cert: there is no such file/],
    [[...cert, "--tls-key", missing], 2, /cannot read .* for --tls-key: there is no such file/],
  ];
  const port = await freePort();
  for (const [args, exit, says] of wrong) {
    const run = command(t, "lwt-broker", ["--port", String(port), ...args], { json: false });
    assert.equal(await run.exit(), exit, run.stderr);
    assert.match(run.stderr.trim().replaceAll(/\s+/g, " "), says);
    assert.match(run.stderr, /^lwt-broker: .+(\n {2}.+)+\n$/);
    assert.equal(run.stdout, "");
  }
});
