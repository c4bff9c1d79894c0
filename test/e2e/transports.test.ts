import assert from "node:assert/strict";
import { test } from "node:test";
import { command, lwtBroker, missing, mosquitto, rerouted } from "../support/processes.js";
import { certificate, clientsWanted, tlsRelay, webSocketRelay } from "../support/servers.js";

const TLS = ["--tls-cert", certificate("server"), "--tls-key", certificate("key"), "--tls-port", "0"];
const TRUST = ["--cafile", certificate("ca")];

/** Each way to a broker, with what that needs for it, and a client. */
const ways: [scheme: string, listens: string[], options: string[]][] = [
  ["mqtt", [], []],
  ["mqtts", TLS, TRUST],
  ["ws", ["--ws-port", "0"], []],
  ["wss", ["--ws-port", "0", ...TLS], TRUST],
];

/** What the broker tells of each way to fail. */
const SEEN_AS: Record<string, string> = {
  network: "network-error",
  "no-disconnect": "connection-closed",
  "protocol-error": "protocol-error",
  "keep-alive": "keep-alive-timeout",
};

for (const [scheme, listens, options] of ways)
  test(`${scheme}: messages go through, the end is graceful, and each failure makes the will come`, async t => {
    const { process: broker } = await lwtBroker(t, ...listens);
    const { urls } = await broker.event("listening");
    const url = urls.find(each => each.startsWith(`${scheme}:`)) ?? "none";
    const way = ["-b", url, ...options];
    const sub = command(t, "sub-lwt", [...way, "-C", "2", "-t", "Binil/Machine1/SensorData"]);
    await sub.event("subscribed");
    const pub = command(t, "pub-lwt", [...way, "--interval", "0", "-C", "2"]);
    assert.equal(await pub.exit(), 0);
    assert.equal(await sub.exit(), 0);
    assert.equal((await pub.event("disconnected")).graceful, true);
    await broker.event("will-discarded", { clientId: "Machine1", cause: "graceful" });

    const fails = async (cause: string) => {
      const failing = ["--machine", cause, "--fail", cause, "--after", "1", "-k", "1"];
      const run = command(t, "pub-lwt", [...way, ...failing]);
      assert.equal(await run.exit(), 0, run.stderr);
      await run.event("witnessed", { cause, will: true });
      await run.event("disconnected", { graceful: false });
      await broker.event("will-published", { clientId: cause, cause: SEEN_AS[cause] });
    };
    await Promise.all(Object.keys(SEEN_AS).map(fails));
  });

test("a client certificate is shown to a broker that wants one", async t => {
  const { port } = await lwtBroker(t);
  const own = ["--cert", certificate("client"), "--key", certificate("key")];
  const way = ["-b", `localhost:${await tlsRelay(t, port, "server", clientsWanted)}`];
  const pub = command(t, "pub-lwt", [...way, "--cafile", certificate("ca"), ...own, "-m", "x"]);
  assert.equal(await pub.exit(), 0, pub.stderr);
  assert.match((await pub.event("connecting")).broker, /^mqtts:/, "an option for TLS asks for TLS");
});

test("--insecure takes any certificate, and says what that means", async t => {
  const { port } = await lwtBroker(t);
  const way = ["-b", `mqtts://127.0.0.1:${await tlsRelay(t, port, "expired")}`, "--insecure"];
  const pub = command(t, "pub-lwt", [...way, "-m", "x"]);
  assert.equal(await pub.exit(), 0, pub.stderr);
  await pub.event("warning", { code: "insecure" });
});

test("hivemq: where port 1883 is blocked it goes over to the WebSocket, and says so", async t => {
  const { port, process: broker } = await lwtBroker(t);
  const routes = {
    "broker.hivemq.com:1883": "ETIMEDOUT",
    "broker.hivemq.com:8884": await webSocketRelay(t, port, { tls: true }),
  };
  const env = { ...rerouted(routes), NODE_EXTRA_CA_CERTS: certificate("ca") };
  const pub = command(t, "pub-lwt", ["-b", "hivemq", "-m", "x"], { env });
  assert.equal(await pub.exit(), 0, pub.stderr);
  const { message } = await pub.event("warning", { code: "blocked" });
  assert.match(message, /cannot reach mqtt:\/\/broker\.hivemq\.com:1883 \(no answer\)/);
  assert.match(message, /trying wss:\/\/broker\.hivemq\.com:8884\/mqtt/);
  assert.equal((await pub.event("connected")).broker, "wss://broker.hivemq.com:8884/mqtt");
  await broker.event("client-disconnected", { cause: "graceful" });
});

test("hivemq: where both ways are blocked, both are told, and that is the end of it", async t => {
  const env = rerouted({ "broker.hivemq.com:1883": "ETIMEDOUT", "broker.hivemq.com:8884": "ECONNREFUSED" });
  const sub = (seconds: string) =>
    command(t, "sub-lwt", ["-b", "hivemq", "--connect-timeout", seconds, "-i", "X"], { env });
  const trying = sub("600");
  const { message } = await trying.event("warning", { code: "no-broker" });
  assert.match(message, /wss:.*:8884\/mqtt \(connection refused\)/);
  assert.deepEqual(
    trying.all("warning").map(({ code }) => code),
    ["blocked", "no-broker"],
  );
  trying.child.send("stop");
  assert.equal(await trying.exit(), 1);
  // However little time there is, each way is tried.
  const ending = sub("0.1");
  assert.equal(await ending.exit(), 1);
  const error = await ending.event("error", { code: "no-broker" });
  assert.match(error.message, /hivemq\.com:1883 \(no answer\), wss:.*:8884\/mqtt \(connection refused\)/);
});

test("Mosquitto: TLS and WebSocket", { skip: missing("mosquitto", ["-h"]) }, async t => {
  const { tlsPort, wsPort } = await mosquitto(t);
  const ways = [
    ["-b", `mqtts://127.0.0.1:${tlsPort}`, "--cafile", certificate("ca")],
    ["-b", `ws://127.0.0.1:${wsPort}`],
  ];
  for (const way of ways) {
    const pub = command(t, "pub-lwt", [...way, "--fail", "network", "--after", "1"]);
    assert.equal(await pub.exit(), 0, pub.stderr);
    await pub.event("witnessed", { will: true });
    await pub.event("disconnected", { graceful: false });
  }
});
