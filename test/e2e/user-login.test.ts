import assert from "node:assert/strict";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { command, lwtBroker, type Running, temporaryFolder } from "../support/processes.js";
import { RawClient } from "../support/raw-client.js";
import { certificate } from "../support/servers.js";
import { supportFile } from "../support/paths.js";
import { SECRET, line, told, usersBroker, write } from "../support/users-broker.js";

test("who logs in: return codes, and the log names whom, without the password", async t => {
  const broker = await usersBroker(t, ["# a comment", "", line("anna"), "  subscribe #"]);
  const { process } = broker;
  await told(process, "users-read", { users: 1, anonymous: false });
  const connect = (clientId: string, userName?: string, password?: string) =>
    broker.returnCode({
      clientId,
      ...(userName !== undefined && { userName }),
      ...(password !== undefined && { password }),
    });
  assert.equal(await connect("right", "anna", SECRET), 0);
  assert.equal((await told(process, "client-connected", { clientId: "right" })).user, "anna");
  assert.equal(await connect("again", "anna", SECRET), 0);
  assert.equal(await connect("wrong", "anna", "Hidden-1"), 4);
  assert.equal(await connect("unknown", "ben", "Hidden-2"), 4);
  assert.equal(await connect("none", "anna"), 4);
  assert.equal(await connect("long", "anna", "Hidden-3".repeat(200)), 4);
  assert.equal(await connect("nobody"), 5);
  assert.equal(await connect("__proto__", "__proto__", "Hidden-4"), 4);
  const reason = async (clientId: string) =>
    (await told(process, "client-refused", { clientId })).reason.replace(/^return code /, "");
  assert.equal(await reason("wrong"), '4, bad user name or password: wrong password for "anna"');
  assert.equal(await reason("unknown"), '4, bad user name or password: no user "ben"');
  assert.equal(await reason("long"), '4, bad user name or password: a password of 1600 bytes for "anna"');
  assert.equal(await reason("nobody"), "5, not authorized: without a user name");
  assert.doesNotMatch(process.stdout + process.stderr, /Hidden|correct horse|scrypt/);
});

test("anonymous clients come in where the file says so, with the rights there", async t => {
  const broker = await usersBroker(t, [
    "anonymous",
    " subscribe public/#",
    line("anna"),
    " publish public/#",
  ]);
  const reader = await broker.connect(null, "reader");
  assert.equal(await reader.subscribe("public/+", 1), 1);
  assert.equal(await reader.subscribe("private", 1), 0x80);
  const { user } = await told(broker.process, "not-authorized", { topic: "private" });
  assert.equal(user, null);
  const anna = await broker.connect("anna", "anna");
  await anna.publish("public/1", "hello", 1);
  await reader.message("hello");
});

/** Tells of each password that the broker hashes, and lets none come to an end while it is told to hold them. */
const watchingScrypt = {
  NODE_OPTIONS: `--require=${JSON.stringify(supportFile("hold-scrypt.cjs"))}`,
};

const hashings = ({ stderr }: Running) =>
  [...stderr.matchAll(/^hashing (.*) running=(\d+)$/gm)].map(([, cost = "", running]) => ({
    cost,
    running: Number(running),
  }));

async function brokerWith(t: TestContext, env: Record<string, string>, lines: string[]) {
  const file = path.join(temporaryFolder(t), "users.txt");
  write(file, lines);
  const process = command(t, "lwt-broker", ["--port", "0", "--users", file], { env });
  const { url } = await process.event("listening");
  return { process, port: Number(new URL(url).port) };
}

test("passwords are hashed a few at a time, those of unknown users like others, and right ones once", async t => {
  const { process, port } = await brokerWith(t, watchingScrypt, [line("anna"), line("ben")]);
  const code = (userName: string, password: string, clientId: string) =>
    RawClient.start(t, port, { clientId, userName, password })
      .connack()
      .then(({ returnCode }) => returnCode);
  const wrong = Array.from({ length: 20 }, (_, i) => code(i % 2 ? "anna" : `unknown${i}`, "wrong", `w${i}`));
  assert.deepEqual(new Set(await Promise.all(wrong)), new Set([4]));
  await process.waitFor("20 of them", () => (hashings(process).length >= 20 ? true : undefined));
  assert.equal(hashings(process).length, 20);
  assert.deepEqual(new Set(hashings(process).map(({ cost }) => cost)), new Set(["N=16 r=8 p=1"]));
  assert.ok(hashings(process).every(({ running }) => running <= 2));
  const right = Array.from({ length: 10 }, (_, i) => code("anna", SECRET, `r${i}`));
  assert.deepEqual(new Set(await Promise.all(right)), new Set([0]));
  // The first ones may have been on their way together.
  assert.ok(hashings(process).length <= 22);
});

test("log-ins that wait have a bound; who has logged in before does not wait, and who leaves is not hashed", async t => {
  const lines = [line("anna"), "anonymous"];
  const { process, port } = await brokerWith(t, watchingScrypt, lines);
  const start = (clientId: string, password = SECRET) =>
    RawClient.start(t, port, { clientId, userName: "anna", password });
  assert.equal((await start("first").connack()).returnCode, 0);
  process.child.send("hold");
  await process.outputHas("held");
  const waiting = Array.from({ length: 1003 }, (_, i) => start(`c${i}`, "wrong"));
  const { reason } = await process.event("client-refused");
  assert.equal(reason, "return code 3, server unavailable: too many log-ins are waiting");
  assert.equal((await start("again").connack()).returnCode, 0);
  for (const client of waiting) client.socket.destroy();
  // By then the broker knows that they are gone.
  await (await RawClient.connect(t, port, { clientId: "later" })).ping();
  process.child.send("go on");
  await process.outputHas(/(hashed\n[^]*){2}/);
  const last = start("last", "wrong too");
  assert.equal((await last.connack()).returnCode, 4);
  assert.ok(hashings(process).length <= 4, "the first one, two of those who left, and the last");
});

test("on the network: users without TLS alone are warned of, and no users too", async t => {
  const file = path.join(temporaryFolder(t), "users.txt");
  write(file, [line("anna")]);
  const tls = ["--tls-cert", certificate("server"), "--tls-key", certificate("key"), "--tls-port", "0"];
  const warnings = async (...args: string[]) => {
    const broker = await lwtBroker(t, ...args);
    broker.process.child.send("stop");
    assert.equal(await broker.process.exit(), 0);
    return broker.process.all("warning").map(({ code }) => code);
  };
  const network = ["--host", "0.0.0.0"];
  assert.deepEqual(await warnings(...network), ["open-to-network"]);
  assert.deepEqual(await warnings(...network, "--users", file), ["passwords-in-clear"]);
  assert.deepEqual(await warnings(...network, "--users", file, ...tls), ["passwords-in-clear"]);
  assert.deepEqual(await warnings(...network, "--users", file, ...tls, "--tls-only"), []);
  assert.deepEqual(await warnings("--users", file), []);
});

test("our clients log in, and say what a refusal means", async t => {
  const broker = await usersBroker(t, [line("anna"), "  publish Binil/#", "  subscribe Binil/#"]);
  const way = ["-b", broker.url, "-u", "anna"];
  const env = { LWT_PASSWORD: SECRET };
  const sub = command(t, "sub-lwt", [...way, "-t", "Binil/+/SensorData", "-C", "1"], { env });
  await sub.event("subscribed");
  const pub = command(t, "pub-lwt", [...way, "-C", "1"], { env });
  assert.equal(await pub.exit(), 0, pub.stderr);
  assert.equal(await sub.exit(), 0, sub.stderr);
  const wrong = command(t, "pub-lwt", [...way, "-C", "1"], { env: { LWT_PASSWORD: "wrong" } });
  assert.equal(await wrong.exit(), 1);
  await wrong.event("refused", { returnCode: 4 });
});
