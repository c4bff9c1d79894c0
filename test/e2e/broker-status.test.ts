import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { isLoopback } from "../../src/broker/net/loopback.js";
import { brokerOptions } from "../../src/config/options/broker-options.js";
import { command, freePort, lwtBroker, missing, mosquitto, temporaryFolder } from "../support/processes.js";
import { answering, tcpServer, tlsRelay } from "../support/servers.js";

test("lwt-broker status tells what a running one holds", async t => {
  const { url, port } = await lwtBroker(t);
  assert.equal(await command(t, "sub-lwt", ["-b", url, "-E"]).exit(), 0);
  const machine = command(t, "pub-lwt", ["-b", url, "--interval", "100"]);
  await machine.event("acknowledged", { seq: 1 });
  const asked = command(t, "lwt-broker", ["status", "--broker", `127.0.0.1:${port}`]);
  assert.equal(await asked.exit(), 0, asked.stderr);
  const { clients, sessions, wills, retained, totals } = await asked.event("broker-status");
  assert.deepEqual(
    clients.map(({ clientId }) => clientId),
    ["Machine1"],
  );
  assert.deepEqual(sessions, [
    { clientId: "Subscriber1", connected: false, subscriptions: 3, queued: 2, inFlight: 0 },
    { clientId: "Machine1", connected: true, subscriptions: 0, queued: 0, inFlight: 0 },
  ]);
  const topic = "Binil/Machine1/Status";
  assert.deepEqual(wills, [{ clientId: "Machine1", topic, qos: 1, retain: true }]);
  assert.deepEqual(retained, [{ topic, qos: 1, bytes: "Sensor Online".length }]);
  assert.deepEqual(totals, { clients: 1, sessions: 2, wills: 1, retained: 1 });

  machine.child.send("stop");
  assert.equal(await machine.exit(), 0);
  const text = command(t, "lwt-broker", ["status", "--port", String(port)], { json: false });
  assert.equal(await text.exit(), 0);
  assert.match(
    text.stdout,
    /^stored sessions: 2\n {2}client +connected +subscriptions +queued +in flight\n/m,
  );
  assert.match(text.stdout, /^ {2}Subscriber1 +no +3 +3 +0$/m);
  assert.match(text.stdout, /^wills stored: none$/m);
});

test("whose address is a loopback one may ask, and nobody else", () => {
  const local = ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"];
  const others = [
    "",
    "10.0.0.1",
    "192.168.1.27",
    "1.127.0.0",
    "::",
    "fe80::1",
    "::ffff:10.0.0.1",
    "2001:db8::1",
  ];
  assert.deepEqual([...local, ...others].filter(isLoopback), local);
});

test("lwt-broker status where no broker runs: exit 1, and what to do", async t => {
  const asked = command(t, "lwt-broker", ["status", "--port", String(await freePort())]);
  assert.equal(await asked.exit(), 1);
  assert.match((await asked.event("error", { code: "no-broker" })).hint, /npx lwt-broker/);
});

test("lwt-broker status: a hint names no option of the clients", async t => {
  const file = path.join(temporaryFolder(t), "users.txt");
  assert.equal(await command(t, "lwt-broker", ["passwd", file, "anna"], { input: "secret\n" }).exit(), 0);
  const { port } = await lwtBroker(t, "--users", file);
  const hints: [args: string[], code: string, hint: RegExp][] = [
    [["--port", String(port)], "refused", /LWT_USERNAME and LWT_PASSWORD/],
    [["--port", String(await tcpServer(t, () => {}))], "no-answer", /lwt-broker status --broker HOST:PORT$/],
    [
      ["--port", String(await answering(t, [...Buffer.from("220 mail\r\n")]))],
      "not-mqtt",
      /--broker HOST:PORT$/,
    ],
    [["-b", `mqtts://127.0.0.1:${await tlsRelay(t, port)}`], "not-trusted", /--broker HOST:PORT$/],
  ];
  for (const [args, code, hint] of hints) {
    const asked = command(t, "lwt-broker", ["status", ...args]);
    assert.equal(await asked.exit(), 1);
    const error = await asked.event("error", { code });
    assert.match(error.hint, hint);
    for (const [option] of error.hint.matchAll(/--[a-z-]+/g))
      assert.ok(option.slice(2) in brokerOptions, option);
  }
});

test("Mosquitto tells no status: exit 1, and why", { skip: missing("mosquitto", ["-h"]) }, async t => {
  const { port } = await mosquitto(t);
  const asked = command(t, "lwt-broker", ["status", "--port", String(port)]);
  assert.equal(await asked.exit(), 1);
  await asked.event("error", { code: "no-status" });
});

test("lwt-broker --max-queued: past it a session's oldest message goes, and the log says so", async t => {
  const { url, process: broker } = await lwtBroker(t, "--max-queued", "2");
  const session = ["-b", url, "-t", "a"];
  assert.equal(await command(t, "sub-lwt", [...session, "-E"]).exit(), 0);
  const pub = ["-b", url, "-t", "a", "--no-status", "-C", "3", "--interval", "0"];
  assert.equal(await command(t, "pub-lwt", pub).exit(), 0);
  await broker.event("message-dropped", { clientId: "Subscriber1", queued: 2 });
  const sub = command(t, "sub-lwt", [...session, "-C", "2"]);
  assert.equal(await sub.exit(), 0);
  assert.deepEqual(
    sub.all("message").map(({ seq }) => seq),
    [2, 3],
  );
});

test("lwt-broker --max-packet and --max-connections: who is past them is told why, and named in the log", async t => {
  const args = ["--port", "0", "--max-connections", "2", "--max-packet", "1024"];
  const broker = command(t, "lwt-broker", args, { json: false });
  await broker.outputHas("in memory");
  const [url = ""] = broker.stdout.match(/mqtt:\/\/[\d.:]+/) ?? [];
  const pub = (id: string, ...more: string[]) =>
    command(t, "pub-lwt", ["-b", url, "-i", id, "--no-status", "--reconnect-timeout", "1", ...more]);
  const [first, second] = [pub("first"), pub("second")];
  for (const client of [first, second]) await client.event("acknowledged", { seq: 1 });
  const third = pub("third");
  assert.equal(await third.exit(), 1);
  await third.event("refused", { returnCode: 3 });
  await broker.outputHas("refused: over 2 connections (--max-connections)");
  second.child.send("stop");
  assert.equal(await second.exit(), 0);
  const large = pub("large", "-m", "x".repeat(1024));
  assert.equal(await large.exit(), 1);
  await broker.outputHas("disconnected: a packet of over 1 KiB (--max-packet)");
  first.child.send("stop");
  assert.equal(await first.exit(), 0);
});

test("lwt-broker --debug shows every packet in both directions on stderr, and no password", async t => {
  const broker = command(t, "lwt-broker", ["--port", "0", "--debug"], { json: false });
  await broker.outputHas("in memory");
  const [url = ""] = broker.stdout.match(/mqtt:\/\/[\d.:]+/) ?? [];
  const pub = command(t, "pub-lwt", ["-b", url, "-u", "student", "-P", "geheim", "-m", "x", "-t", "a"]);
  assert.equal(await pub.exit(), 0, pub.stderr);
  broker.child.send("stop");
  assert.equal(await broker.exit(), 0, broker.stderr);
  const packets = broker.stderr.match(/(?:<-|->) [A-Z]+/g);
  assert.deepEqual(packets?.slice(0, 3), ["<- CONNECT", "-> CONNACK", "<- PUBLISH"]);
  assert.ok(packets.includes("-> PUBACK"));
  assert.equal(packets.at(-1), "<- DISCONNECT");
  assert.match(broker.stderr, /<- CONNECT .*"student"/);
  assert.doesNotMatch(broker.stdout + broker.stderr, /geheim/);
});
