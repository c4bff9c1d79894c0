// --broker a,b,c: brokers that are tried in turn.
import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import path from "node:path";
import { type TestContext, test } from "node:test";
import {
  command,
  freePort,
  lwtBroker,
  missing,
  mosquitto,
  type Running,
  temporaryFolder,
} from "../support/processes.js";
import { certificate, tcpServer, tlsRelay } from "../support/servers.js";

const at = (port: number, credentials = "") => `mqtt://${credentials}127.0.0.1:${port}`;
const list = (...urls: string[]) => ["-b", urls.join(",")];
const READINGS = "Binil/Machine1/SensorData";

const connectedTo = (running: Running) => running.all("connected").map(({ broker }) => broker);
const seqs = (running: Running) =>
  running
    .all("message")
    .filter(({ topic }) => topic === READINGS)
    .map(({ seq }) => seq);

/** Notes what CONNECT says of user and password, then refuses it. */
async function refusing(t: TestContext, returnCode: number) {
  const seen: string[] = [];
  const port = await tcpServer(t, socket =>
    socket.once("data", (bytes: Buffer) => {
      seen.push(bytes.toString("latin1"));
      socket.end(Buffer.from([0x20, 0x02, 0x00, returnCode]));
    }),
  );
  return { port, seen };
}

/** A broker that dies when the first message comes. */
async function dyingAtPublish(t: TestContext): Promise<number> {
  const server = createServer(socket => {
    socket
      .on("error", () => {})
      .once("data", () => {
        socket.write(Buffer.from([0x20, 0x02, 0x00, 0x00]));
        socket.once("data", () => {
          server.close();
          socket.destroy();
        });
      });
  }).listen(0, "127.0.0.1");
  t.after(() => server.close());
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

test("the first is down: the next is used, and that is said", async t => {
  const down = at(await freePort());
  const broker = await lwtBroker(t);
  const pub = command(t, "pub-lwt", [...list(down, broker.url), "-m", "x"]);
  assert.equal(await pub.exit(), 0, pub.stderr);
  assert.deepEqual(connectedTo(pub), [broker.url]);
  assert.deepEqual(
    pub.all("connecting").map(({ broker: url }) => url),
    [down, broker.url],
  );
  const [warning] = pub.all("warning");
  assert.equal(warning?.code, "no-broker");
  assert.ok(warning.message.endsWith(`Trying ${broker.url}.`), warning.message);
  assert.match(warning.hint, /npx lwt-broker --port/);
  assert.equal(pub.all("reconnecting")[0]?.inSeconds, 0, "no pause before all have been tried");
});

test("a subscriber moves on and comes back, and is told what it can't reach meanwhile", async t => {
  const data = temporaryFolder(t);
  const first = await lwtBroker(t, "--data", data);
  const second = await lwtBroker(t);
  const sub = command(t, "sub-lwt", [...list(first.url, second.url), "-t", READINGS]);
  await sub.event("subscribed");
  first.process.child.kill("SIGKILL");
  const moved = await sub.event("connected", { broker: second.url });
  assert.equal(moved.sessionPresent, false);
  const warning = await sub.event("warning", { code: "session-elsewhere" });
  assert.ok(warning.message.startsWith(`${second.url} has no session of this client (session present 0)`));
  assert.ok(warning.message.includes(`but ${first.url} has one`));
  await first.process.exit();

  await lwtBroker(t, "--data", data, "--port", String(first.port));
  const pub = command(t, "pub-lwt", ["-b", first.url, "-C", "2", "--interval", "0"]);
  assert.equal(await pub.exit(), 0, pub.stderr);
  second.process.child.kill("SIGKILL");
  await sub.event("message", { seq: 2, delivery: "queued" });
  assert.deepEqual(seqs(sub), [1, 2]);
  assert.deepEqual(
    sub.all("connected").map(({ broker, sessionPresent }) => [broker, sessionPresent]),
    [
      [first.url, false],
      [second.url, false],
      [first.url, true],
    ],
  );
  assert.equal(sub.all("warning").filter(({ code }) => code === "session-elsewhere").length, 1);
  const [loss, ...failures] = sub.all("reconnecting");
  assert.ok(loss && loss.inSeconds > 0, "after a loss, all who were there don't come at once");
  assert.equal(failures[0]?.inSeconds, 0);
  sub.child.send("stop");
  assert.equal(await sub.exit(), 0);
});

test("a person reads where it went", async t => {
  const brokers = [await lwtBroker(t), await lwtBroker(t)];
  const [first, second] = brokers;
  const urls = brokers.map(({ url }) => url);
  const pub = command(t, "pub-lwt", list(...urls), { json: false });
  await pub.outputHas(`Machine1 → ${first?.url}`);
  first?.process.child.kill("SIGKILL");
  await pub.outputHas(`connected again, now to ${second?.url}`);
  assert.match(pub.stderr.replace(/\s+/g, " "), new RegExp(`Trying ${second?.url}`));
  pub.child.send("stop");
  assert.equal(await pub.exit(), 0);
});

test("what the first has not acknowledged, the next gets: from memory and from an outbox", async t => {
  for (const more of [[], ["--outbox", "box"]]) {
    const broker = await lwtBroker(t);
    const sub = command(t, "sub-lwt", ["-b", broker.url, "-t", READINGS]);
    await sub.event("subscribed");
    const dying = await dyingAtPublish(t);
    const args = [...list(at(dying), broker.url), "-C", "5", "--interval", "0", "--no-status", ...more];
    const pub = command(t, "pub-lwt", args);
    assert.equal(await pub.exit(), 0, pub.stderr);
    assert.deepEqual(connectedTo(pub), [at(dying), broker.url]);
    await sub.event("message", { seq: 5 });
    assert.deepEqual(seqs(sub), [1, 2, 3, 4, 5]);
    assert.deepEqual(
      pub.all("acknowledged").map(({ seq }) => seq),
      [1, 2, 3, 4, 5],
    );
  }
});

test("each broker gets its own user name and password, and no other's; all that refuse are named", async t => {
  const [own, none, user] = [await refusing(t, 4), await refusing(t, 5), await refusing(t, 4)];
  const urls = [at(own.port, "alice:al%2Cpw@"), at(none.port), at(user.port, "bob@")];
  const env = { LWT_USERNAME: "eve", LWT_PASSWORD: "evepw" };
  const pub = command(t, "pub-lwt", list(...urls), { env });
  assert.equal(await pub.exit(), 1);
  for (const { seen } of [own, none, user]) assert.equal(seen.length, 1, "a refusal is not asked for again");
  assert.match(own.seen[0] ?? "", /\0\x05alice\0\x05al,pw$/);
  assert.match(none.seen[0] ?? "", /\0\x03eve\0\x05evepw$/);
  assert.match(user.seen[0] ?? "", /\0\x03bob$/);
  const { code, message } = await pub.event("error");
  assert.equal(code, "refused");
  for (const { port } of [own, none, user]) assert.ok(message.includes(`127.0.0.1:${port} (`), message);
  assert.match(message, /return code 4.*return code 5.*return code 4/);
  assert.doesNotMatch(pub.stdout + pub.stderr, /alice|al,pw|al%2Cpw|evepw|bob/);
});

test("nobody answers: the error names all of them", async t => {
  const ports = [await freePort(), await freePort(), await freePort()];
  const sub = command(t, "sub-lwt", [...list(...ports.map(port => at(port))), "--connect-timeout", "1"]);
  assert.equal(await sub.exit(), 1);
  const { code, message, hint } = await sub.event("error");
  assert.equal(code, "no-broker");
  for (const port of ports) assert.ok(message.includes(`${at(port)} (connection refused)`), message);
  assert.ok(hint.includes(`npx lwt-broker --port ${ports[0]}`));
  const tried = sub.all("connecting").map(({ broker }) => broker);
  assert.deepEqual(
    tried.slice(0, 4),
    [0, 1, 2, 0].map(i => at(ports[i] ?? 0)),
  );
  const pauses = sub.all("reconnecting").map(({ inSeconds }) => inSeconds > 0);
  assert.deepEqual(pauses.slice(0, 4), [false, false, true, false], "a pause comes after all");

  const broker = await lwtBroker(t);
  const [before, after] = [at(ports[0] ?? 0), at(ports[1] ?? 0)];
  const args = [...list(before, broker.url, after), "--reconnect-timeout", "0.5"];
  const pub = command(t, "pub-lwt", args);
  await pub.event("acknowledged");
  broker.process.child.kill("SIGKILL");
  assert.equal(await pub.exit(), 1);
  const lost = await pub.event("error", { code: "connection-lost" });
  const round = [broker.url, after, before];
  for (const url of round) assert.ok(lost.message.includes(`${url} (`), lost.message);
  assert.deepEqual(
    pub
      .all("connecting")
      .map(({ broker: url }) => url)
      .slice(2, 5),
    round,
    "a round begins where it was connected, and goes on from there",
  );
  const waits = pub.all("reconnecting").map(({ inSeconds }) => inSeconds > 0);
  assert.deepEqual(waits.slice(1, 4), [true, false, false], "who had failed before it is tried again, too");
});

test("one that never answers takes no more than its share of the time", async t => {
  const silent = await tcpServer(t, () => {});
  const broker = await lwtBroker(t);
  const pub = command(t, "pub-lwt", [...list(at(silent), broker.url), "-m", "x", "--connect-timeout", "3"]);
  assert.equal(await pub.exit(), 0, pub.stderr);
  await pub.event("warning", { code: "no-answer" });
  const [first = "", second = ""] = pub.all("connecting").map(({ time }) => time);
  // Half of three seconds; by itself an attempt may take ten.
  assert.ok(Date.parse(second) - Date.parse(first) < 8_000, `${first} to ${second}`);
});

test("TLS for each: what is not to be trusted is passed over", async t => {
  const { port, process: broker } = await lwtBroker(t);
  const over = async (name: string) => `mqtts://127.0.0.1:${await tlsRelay(t, port, name)}`;
  const [expired, good] = [await over("expired"), await over("server")];
  const pub = command(t, "pub-lwt", [...list(expired, good), "--cafile", certificate("ca"), "-m", "x"]);
  assert.equal(await pub.exit(), 0, pub.stderr);
  await pub.event("warning", { code: "certificate-expired" });
  assert.deepEqual(connectedTo(pub), [good]);
  assert.equal(broker.all("client-connected").length, 1);
});

test("from lwt-broker to Mosquitto and back", { skip: missing("mosquitto", ["-h"]) }, async t => {
  const bundled = await lwtBroker(t);
  const other = await mosquitto(t);
  const pub = command(t, "pub-lwt", [...list(bundled.url, other.url), "--interval", "0.05"]);
  await pub.event("acknowledged");
  bundled.process.child.kill("SIGKILL");
  await pub.event("connected", { broker: other.url });
  const seen = command(t, "sub-lwt", ["-b", other.url, "-C", "2", "-t", READINGS]);
  assert.equal(await seen.exit(), 0);
  await bundled.process.exit();
  await lwtBroker(t, "--port", String(bundled.port));
  other.process.child.kill("SIGKILL");
  await pub.waitFor("it is back", () => connectedTo(pub).length === 3 || undefined);
  assert.equal(connectedTo(pub)[2], bundled.url);
  pub.child.send("stop");
  assert.equal(await pub.exit(), 0);
  const [summary] = pub.all("summary")[0]?.machines ?? [];
  assert.ok(summary && "notAcknowledged" in summary);
  assert.equal(summary.notAcknowledged, 0);
});

test("a witness on another broker than its machine's does not tell what it can't see", async t => {
  const [watched, other] = [await lwtBroker(t), await lwtBroker(t)];
  let taken = 0;
  const full = await tcpServer(t, socket => {
    taken += 1;
    if (taken > 1) return socket.destroy();
    const onwards = connect(watched.port, "127.0.0.1").on("error", () => {});
    return socket.pipe(onwards).pipe(socket);
  });
  const pub = command(t, "pub-lwt", [...list(at(full), other.url), "--after", "1", "--fail", "graceful"]);
  assert.equal(await pub.exit(), 1);
  const { message, hint } = await pub.event("error", { code: "witness-elsewhere" });
  assert.ok(message.includes(`no will at ${at(full)}`) && message.includes(`connected to ${other.url}`));
  assert.ok(hint.endsWith(`--broker ${other.url}`));
  assert.deepEqual(pub.all("witnessed"), []);
});

test("--forget ends the session at each; one that is down is told", async t => {
  const brokers = [await lwtBroker(t), await lwtBroker(t)];
  const urls = brokers.map(({ url }) => url);
  for (const url of urls)
    assert.equal(await command(t, "sub-lwt", ["-b", url, "--subscribe-only"]).exit(), 0);
  const forget = command(t, "sub-lwt", [...list(...urls), "--forget"]);
  assert.equal(await forget.exit(), 0);
  assert.deepEqual(
    forget.all("forgotten").map(({ broker }) => broker),
    urls,
  );
  for (const { process } of brokers) await process.event("session-ended", { clientId: "Subscriber1" });
  const down = at(await freePort());
  const args = [...list(down, ...urls), "--forget", "--connect-timeout", "0.3"];
  const partly = command(t, "sub-lwt", args);
  assert.equal(await partly.exit(), 1);
  assert.equal(partly.all("forgotten").length, 2);
  assert.ok((await partly.event("error")).message.includes(down));
});

test("lists that can't be meant are refused before anything is sent", async t => {
  const refused: [args: string[], says: RegExp][] = [
    [list("a", "mqtt://a:1883"), /--broker names mqtt:\/\/a:1883 twice/],
    [list("a", ""), /--broker needs local, hivemq/],
    [["-b", "mqtt://ada:12,34@a"], /in a list of brokers, only a URL .* can hold a user name[^]*%2C/],
    [[...list("a", "mqtt://ada@b"), "-P", "x"], /a password needs a user name/],
  ];
  for (const [args, says] of refused) {
    const pub = command(t, "pub-lwt", args);
    assert.equal(await pub.exit(), 2, args.join(" "));
    assert.match(pub.stderr, says);
    assert.doesNotMatch(pub.stderr, /12|34/);
  }
  const cwd = temporaryFolder(t);
  writeFileSync(path.join(cwd, ".env"), "LWT_BROKER=mqtt://ada@a,b\nLWT_USERNAME=u\n");
  const pub = command(t, "pub-lwt", [], { cwd, env: { LWT_PASSWORD: "hushhush" } });
  assert.equal(await pub.exit(), 2);
  assert.match(pub.stderr, /LWT_PASSWORD is not sent/);
});

test("a list is shown without its passwords; TLS beside none is warned of", async t => {
  const args = [...list("mqtts://ada:hushhush@a", "mqtt://b:1884", "local"), "-i", "X", "--show-settings"];
  const pub = command(t, "pub-lwt", args);
  assert.equal(await pub.exit(), 0);
  const [told] = pub.all("settings");
  const value = (name: string) => told?.settings.find(setting => setting.name === name)?.value;
  assert.equal(value("broker"), "mqtts://a:8883,mqtt://b:1884,mqtt://127.0.0.1:1883");
  const { message } = await pub.event("warning", { code: "mixed-tls" });
  assert.match(message, /mqtts:\/\/a:8883 uses TLS, mqtt:\/\/b:1884 does not/);
  assert.doesNotMatch(pub.stdout + pub.stderr, /hushhush|ada/);
});
