import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, openSync, readFileSync } from "node:fs";
import type { Socket } from "node:net";
import path from "node:path";
import { text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { inspect } from "node:util";
import { spawn } from "node:child_process";
import { connect } from "../../src/connection/connect.js";
import { isUserError } from "../../src/util/errors.js";
import { command, freePort, lwtBroker, Running, rerouted, temporaryFolder } from "../support/processes.js";
import { firstPacket, packet, uint16 } from "../support/packets.js";
import { RawClient } from "../support/raw-client.js";
import { tcpServer } from "../support/servers.js";
import { binDir } from "../support/paths.js";

/** How runs end where a broker, or what they are given, is not as it should be. */

const CONNACK = [0x20, 2, 0, 0];
const firstByte = { connect: 0x10, publish: 0x32, subscribe: 0x82 };

/** Accepts every connection, and answers nothing else; `also` sees what comes. */
const silentBroker = (
  t: Parameters<typeof tcpServer>[0],
  also: (socket: Socket, data: Buffer) => void = () => {},
) =>
  tcpServer(t, socket =>
    socket.on("data", data => {
      if (data[0] === firstByte.connect) socket.write(Buffer.from(CONNACK));
      also(socket, data);
    }),
  );

/** The first connection is lost with the first PUBLISH, the second with its CONNACK. By packet type. */
const restlessAnswers = (connection: number, socket: Socket): Record<number, (body: Buffer) => void> => ({
  1: () => socket.write(Buffer.from(CONNACK), () => connection === 2 && socket.resetAndDestroy()),
  3: body => {
    const packetId = body.readUInt16BE(2 + body.readUInt16BE(0));
    if (connection === 1) socket.resetAndDestroy();
    else socket.write(packet(0x40, uint16(packetId)));
  },
  14: () => socket.end(),
});

const waits: [what: string, args: string[]][] = [
  ["nothing is acknowledged", []],
  ["nothing is acknowledged, as fast as it goes", ["--no-status", "--interval", "0"]],
  ["the witness is not answered", ["--fail", "network", "--after", "1"]],
];
for (const [what, args] of waits)
  test(`${what}: --timeout ends it all the same`, async t => {
    const port = await silentBroker(t);
    const pub = command(t, "pub-lwt", ["-p", String(port), "-W", "0.5", ...args]);
    assert.equal(await pub.exit(), 27);
  });

test("Ctrl-C while the broker acknowledges nothing: it is told why that takes time", async t => {
  const port = await silentBroker(t);
  const pub = command(t, "pub-lwt", ["-p", String(port), "--no-status"]);
  await pub.event("published", { seq: 1 });
  pub.child.kill("SIGINT");
  await pub.event("warning", { code: "waiting" });
  pub.child.kill("SIGINT");
  assert.equal(await pub.exit(), 130);
});

test("Ctrl-C while the witness waits: it leaves, and says that nothing is known", async t => {
  const { url } = await lwtBroker(t);
  const pub = command(t, "pub-lwt", ["-b", url, "--fail", "keep-alive", "--after", "1", "-k", "60"]);
  await pub.event("failing");
  pub.child.kill("SIGINT");
  assert.equal(await pub.exit(), 1);
  await pub.event("error", { code: "stopped" });
  assert.deepEqual(pub.all("witnessed"), []);
});

test("a witness that may not subscribe: exit 1, and the reason", async t => {
  const port = await silentBroker(t, (socket, data) => {
    if (data[0] === firstByte.subscribe)
      socket.write(Buffer.from([0x90, 4, data[2] ?? 0, data[3] ?? 0, 0x80, 0x80]));
  });
  const pub = command(t, "pub-lwt", ["-p", String(port), "--fail", "network", "--after", "1"]);
  assert.equal(await pub.exit(), 1);
  await pub.event("error", { code: "filter-refused" });
});

test("a witness whose connection was lost in between watches again", async t => {
  const { port, process: first } = await lwtBroker(t);
  const pub = command(t, "pub-lwt", ["-p", String(port), "--fail", "no-disconnect", "--interval", "0.2"]);
  await pub.event("acknowledged", { seq: 1 });
  first.child.kill("SIGKILL");
  await first.exit();
  const second = command(t, "lwt-broker", ["--port", String(port)]);
  await second.event("subscribed", { clientId: "Machine1-witness" });
  await second.event("will-stored", { clientId: "Machine1" });
  pub.child.stdin?.write("\n");
  assert.equal(await pub.exit(), 0, pub.stderr);
  await pub.event("witnessed", { will: true });
});

test("--fail where the connection is lost already: it says so, and accuses nobody", async t => {
  const { port, process: broker } = await lwtBroker(t);
  const pub = command(t, "pub-lwt", ["-p", String(port), "--fail", "network"]);
  await pub.event("acknowledged", { seq: 1 });
  broker.child.kill("SIGKILL");
  await pub.event("reconnecting");
  pub.child.stdin?.write("\n");
  assert.equal(await pub.exit(), 1);
  await pub.event("error", { code: "not-connected" });
});

test("standard input that has ended can't give an Enter: that is said", async t => {
  const { url } = await lwtBroker(t);
  const pub = command(t, "pub-lwt", ["-b", url, "--fail", "network"], { input: "" });
  await pub.event("warning", { code: "no-enter" });
  pub.child.kill("SIGINT");
  assert.equal(await pub.exit(), 0);
  await pub.event("witnessed", { will: true });
});

test("a connection that is lost before SUBACK is made again, and subscribes", async t => {
  let subscribes = 0;
  const port = await silentBroker(t, (socket, data) => {
    if (data[0] !== firstByte.subscribe) return;
    subscribes += 1;
    if (subscribes === 1) socket.destroy();
    else socket.write(Buffer.from([0x90, 3, data[2] ?? 0, data[3] ?? 0, 1]));
  });
  const sub = command(t, "sub-lwt", ["-p", String(port), "-t", "x", "-E"]);
  assert.equal(await sub.exit(), 0, sub.stderr);
  await sub.event("subscribed", { topicFilter: "x" });
});

test("readings that wait for a connection go out, though the next one is lost right after its CONNACK", async t => {
  let connections = 0;
  const port = await tcpServer(t, socket => {
    connections += 1;
    const answers = restlessAnswers(connections, socket);
    let unread: Buffer = Buffer.alloc(0);
    socket.on("data", data => {
      unread = Buffer.concat([unread, data]);
      for (let first = firstPacket(unread); first; first = firstPacket(unread)) {
        unread = unread.subarray(first.length);
        answers[first.packet.type]?.(first.packet.body);
      }
    });
  });
  const pub = command(t, "pub-lwt", ["-p", String(port), "--no-status", "--interval", "0.05", "-C", "10"]);
  assert.equal(await pub.exit(), 0);
  assert.ok(connections >= 3);
});

test("--until is about the machines that this run asked for", async t => {
  const { url } = await lwtBroker(t);
  assert.equal(await command(t, "sub-lwt", ["-b", url, "-E"]).exit(), 0);
  const sub = command(t, "sub-lwt", ["-b", url, "--machine", "Wanted", "--until", "online"]);
  await sub.event("subscribed", { topicFilter: "Binil/Wanted/Status" });
  assert.equal(await command(t, "pub-lwt", ["-b", url, "--machine", "Other", "-C", "1"]).exit(), 0);
  await sub.event("status", { machine: "Other", state: "stopped" });
  assert.equal(await command(t, "pub-lwt", ["-b", url, "--machine", "Wanted", "-C", "1"]).exit(), 0);
  assert.equal(await sub.exit(), 0);
  await sub.event("status", { machine: "Wanted", state: "online" });
});

test("--until that --count comes before is not reached: exit 1", async t => {
  const { url } = await lwtBroker(t);
  const sub = command(t, "sub-lwt", ["-b", url, "--until", "offline", "-C", "1"]);
  await sub.event("subscribed", { topicFilter: "sensors/lastwill" });
  assert.equal(await command(t, "pub-lwt", ["-b", url, "-C", "1"]).exit(), 0);
  assert.equal(await sub.exit(), 1);
});

test("a connection that is ended twice is ended once, with its DISCONNECT", async t => {
  const { url, process: broker } = await lwtBroker(t);
  const connection = await connect({ broker: url, clientId: "Twice" });
  await Promise.all([connection.end(), connection.end()]);
  const { cause } = await broker.event("client-disconnected", { clientId: "Twice" });
  assert.equal(cause, "graceful");
});

test("pub-lwt that waits for a line ends when it is told to, though none comes", async t => {
  const { url } = await lwtBroker(t);
  const pub = command(t, "pub-lwt", ["-b", url, "--stdin-line"]);
  pub.child.stdin?.write("one\n");
  await pub.event("acknowledged", { topic: "Binil/Machine1/SensorData" });
  pub.child.send("stop");
  assert.equal(await pub.exit(), 0, pub.stderr);
  await pub.event("disconnected", { graceful: true });
});

test("stdout and stderr in one file keep the order in which things were said", async t => {
  const { url } = await lwtBroker(t);
  assert.equal(await command(t, "sub-lwt", ["-b", url, "-E"]).exit(), 0);
  const readings = ["aaaaaaaa 1", "bbbbbbbb 1", "aaaaaaaa 2"].map(reading => {
    const [run, seq] = reading.split(" ");
    return JSON.stringify({ run, seq: Number(seq) });
  });
  const pub = command(t, "pub-lwt", ["-b", url, "-l"], { input: readings.join("\n") });
  assert.equal(await pub.exit(), 0);
  const file = path.join(temporaryFolder(t), "both");
  const both = openSync(file, "w");
  const args = [path.join(binDir, "sub-lwt.cjs"), "-b", url, "--count", "3", "-t", "Binil/+/SensorData"];
  const sub = new Running(t, spawn(process.execPath, args, { stdio: ["ignore", both, both] }));
  assert.equal(await sub.exit(), 0);
  const said = readFileSync(file, "utf8");
  // The third shows that two runs take turns, and the warning comes in the same turn of the event loop.
  const at = [...readings, "two runs of pub-lwt publish"].map(part => said.indexOf(part));
  assert.ok(!at.includes(-1), said);
  assert.deepEqual(
    at,
    at.toSorted((a, b) => a - b),
    said,
  );
});

test("an output that can't be written: exit 1, not a closed pipe's 0", {
  skip: !existsSync("/dev/full"),
}, async t => {
  const { url } = await lwtBroker(t);
  const pub = writingTo(t, openSync("/dev/full", "w"), "pub-lwt", "-b", url, "-C", "1");
  assert.equal(await pub.exit(), 1);
  assert.match(pub.stderr, /cannot write to standard output[^]*disk is probably full/);
});

/** A command whose stdout is that file, or is a pipe that nobody reads. */
function writingTo(t: TestContext, out: number | "closed", name: string, ...args: string[]): Running {
  const child = spawn(process.execPath, [path.join(binDir, `${name}.cjs`), ...args], {
    cwd: temporaryFolder(t),
    stdio: ["ignore", out === "closed" ? "pipe" : out, "pipe"],
  });
  if (out === "closed") child.stdout?.destroy();
  return new Running(t, child);
}

const COMMANDS = ["pub-lwt", "sub-lwt", "lwt-broker", "lwt-demo"];

test("help and version into a pipe that is closed: exit 0, and not a word", async t => {
  for (const name of COMMANDS)
    for (const args of [["--help"], ["--help", "all"], ["--version"]]) {
      const run = writingTo(t, "closed", name, ...args);
      assert.equal(await run.exit(), 0, run.stderr);
      assert.equal(run.stderr, "");
    }
  const wrong = writingTo(t, "closed", "pub-lwt", "--nonsense", "--json");
  assert.equal(await wrong.exit(), 2);
  assert.match(wrong.stderr, /^pub-lwt: .*\n {2}.*\n$/);
});

test("help and version that can't be written: exit 1, a line on what, a line on what next", {
  skip: !existsSync("/dev/full"),
}, async t => {
  const full = openSync("/dev/full", "w");
  for (const name of COMMANDS)
    for (const option of ["--help", "--version"]) {
      const run = writingTo(t, full, name, option);
      assert.equal(await run.exit(), 1);
      assert.match(
        run.stderr,
        /^\S+: cannot write to standard output: .*\n {2}The disk is probably full\.\n$/,
      );
    }
});

test("a broker whose output nobody reads any more ends all the same, and keeps what it acknowledged", async t => {
  const folder = path.join(temporaryFolder(t), "data");
  const port = await freePort();
  const args = [path.join(binDir, "lwt-broker.cjs"), "--port", String(port), "--data", folder];
  const child = spawn(process.execPath, [...args, "--json"], { stdio: ["ignore", "pipe", "pipe", "ipc"] });
  t.after(() => child.kill("SIGKILL"));
  assert.ok(child.stdout && child.stderr);
  const said = text(child.stderr);
  await once(child.stdout, "readable"); // it listens; and no more is read
  const session = await RawClient.connect(t, port, { clientId: "session", clean: false });
  await session.subscribe("#", 1);
  session.disconnect();
  await session.closed;
  // Told of, it would be some MB; a pipe holds less.
  const publisher = await RawClient.connect(t, port, { clientId: "publisher" });
  for (let i = 0; i < 400; i++) await publisher.publish(`${"x".repeat(4000)}/${i}`, "x", 1);
  child.send("stop");
  const [code] = (await once(child, "exit")) as [number | null];
  assert.equal(code, 0);
  assert.match(await said, /lwt-broker: its output was no longer read/);
  const next = await lwtBroker(t, "--data", folder);
  const back = await RawClient.connect(t, next.port, { clientId: "session", clean: false });
  await next.process.event("session-resumed", { clientId: "session", queued: 400 });
  back.disconnect();
});

test("at QoS 0 only what went out counts as sent", async t => {
  const { port, process: broker } = await lwtBroker(t);
  const pub = command(t, "pub-lwt", ["-p", String(port), "-q", "0", "-C", "1000", "--interval", "0.05"]);
  await pub.event("published", { seq: 2 });
  broker.child.kill("SIGKILL");
  await pub.event("reconnecting");
  pub.child.kill("SIGINT");
  assert.equal(await pub.exit(), 1);
  const [summary] = (await pub.event("summary")).machines;
  assert.ok(summary && "sent" in summary);
  assert.equal(summary.sent, pub.all("published").filter(({ seq }) => seq !== null).length);
});

test("--fail graceful says that the machine stopped", async t => {
  const { url } = await lwtBroker(t);
  assert.equal(await command(t, "pub-lwt", ["-b", url, "--fail", "graceful", "--after", "1"]).exit(), 0);
  const retained = command(t, "sub-lwt", ["-b", url, "--retained"]);
  assert.equal(await retained.exit(), 0);
  assert.deepEqual(
    retained.all("message").map(({ payload }) => payload),
    ["Sensor Stopped"],
  );
});

test("on a public broker, what is told for cleaning up leaves nothing behind", async t => {
  const { port, url } = await lwtBroker(t);
  const env = rerouted({ "test.mosquitto.org:1883": port });
  const at = ["-b", "test.mosquitto.org.", "--machine", "Mine"];
  const pub = command(t, "pub-lwt", [...at, "--will-topic", "a/will", "-r", "-C", "1"], {
    env: rerouted({ "test.mosquitto.org.:1883": port }),
  });
  assert.equal(await pub.exit(), 0, pub.stderr);
  const { hint } = await pub.event("warning", { code: "still-stored" });
  const [, typed = ""] = /npx pub-lwt (.*)/.exec(hint) ?? [];
  const forget = command(t, "pub-lwt", typed.replace("org.:", "org:").split(" "), { env });
  assert.equal(await forget.exit(), 0, forget.stderr);
  const retained = command(t, "sub-lwt", ["-b", url, "-t", "#", "--retained"]);
  assert.equal(await retained.exit(), 0);
  assert.deepEqual(retained.all("message"), []);
});

test("names that are too long when they are put together: exit 2", async t => {
  const long = "x".repeat(65_530);
  for (const args of [
    ["--machine", long],
    ["-i", long],
    ["--will-payload", "x".repeat(65_536)],
    ["-u", "u", "-P", "x".repeat(65_536)],
  ]) {
    const pub = command(t, "pub-lwt", args, { json: false });
    assert.equal(await pub.exit(), 2, args[0]);
    assert.ok(pub.stderr.length < 400, pub.stderr);
  }
});

test("the library: a connection that is over takes nothing more, and shows no password", async t => {
  const { url } = await lwtBroker(t);
  const connection = await connect({ broker: url.replace("//", "//me:hushhush@"), clientId: "Library" });
  assert.doesNotMatch(inspect(connection, { depth: 9, showHidden: true }), /hushhush/);
  await assert.rejects(connection.publish({ topic: "a/+", payload: "" }), isUserError);
  await assert.rejects(connection.subscribe(["a/#/b"], 1), isUserError);
  await assert.rejects(connection.subscribe([], 1), isUserError);
  await connection.end();
  await assert.rejects(connection.publish({ topic: "a", payload: "" }), isUserError);
  await assert.rejects(connection.subscribe(["a"], 1), isUserError);
  const stopped = { signal: AbortSignal.abort() };
  await assert.rejects(
    connect({ broker: url, clientId: "Stopped" }, () => {}, stopped),
    isUserError,
  );
  await assert.rejects(connect({ broker: "127.0.0.1:1883", clientId: "X" }), isUserError);
});
