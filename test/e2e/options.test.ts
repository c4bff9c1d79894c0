import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import type { DescribedSetting } from "../../src/events/events.js";
import { command, lwtBroker, rerouted, temporaryFolder } from "../support/processes.js";

/** Returns the settings of a client with these options, by name; opens no socket. */
async function settingsOf(
  t: TestContext,
  name: string,
  args: string[],
  how: { env?: Record<string, string>; cwd?: string } = {},
): Promise<Map<string, DescribedSetting>> {
  const run = command(t, name, [...args, "--show-settings"], how);
  assert.equal(await run.exit(), 0, run.stderr);
  assert.deepEqual(run.all("connecting"), []);
  const { settings } = await run.event("settings");
  return new Map(settings.map(setting => [setting.name, setting]));
}

test("--show-settings tells every setting and where it came from, secrets by name only", async t => {
  const cwd = temporaryFolder(t);
  writeFileSync(path.join(cwd, ".env"), "LWT_HOST=file.example\nLWT_PASSWORD=hushhush\nPUB_LWT_QOS=2\n");
  const env = { PUB_LWT_NAMESPACE: "Env", LWT_KEEP_ALIVE: "7", PUB_LWT_KEEP_ALIVE: "8" };
  const args = ["-u", "someone", "--machine", "M"];
  const settings = await settingsOf(t, "pub-lwt", args, { cwd, env });
  const told = (name: string) => [settings.get(name)?.value, settings.get(name)?.from];
  assert.deepEqual(told("broker"), ["mqtt://file.example:1883", "LWT_HOST in .env"]);
  assert.deepEqual(told("qos"), ["2", "PUB_LWT_QOS in .env"]);
  assert.deepEqual(told("password"), ["(hidden)", "LWT_PASSWORD in .env"]);
  assert.deepEqual(told("keep-alive"), ["8", "PUB_LWT_KEEP_ALIVE"]);
  assert.deepEqual(told("machine"), ["M", "--machine"]);
  assert.deepEqual(told("will-topic"), ["Env/M/Status", "default"]);
  assert.deepEqual(told("count"), [null, "default"]);
  const text = command(t, "pub-lwt", [...args, "--show-settings"], { cwd, env, json: false });
  assert.equal(await text.exit(), 0);
  assert.match(text.stdout, /^qos +2 +PUB_LWT_QOS in \.env$/m);
  assert.doesNotMatch(text.stdout + text.stderr, /hushhush/);
});

test("a source that sets one of broker, host and port sets them all", async t => {
  const env = { LWT_BROKER: "mqtts://env.example:1" };
  const settings = await settingsOf(t, "sub-lwt", ["-p", "1884"], { env });
  assert.equal(settings.get("broker")?.value, "mqtt://127.0.0.1:1884");
});

test("--env-file names another file than .env, and its list is split at commas", async t => {
  const cwd = temporaryFolder(t);
  writeFileSync(path.join(cwd, ".env"), "SUB_LWT_TOPIC=not/this\n");
  writeFileSync(path.join(cwd, "lab.env"), "SUB_LWT_TOPIC='a/#,b'\nSUB_LWT_QOS=\n");
  const settings = await settingsOf(t, "sub-lwt", ["--env-file", "lab.env"], { cwd });
  assert.deepEqual(
    [settings.get("topic")?.value, settings.get("topic")?.from],
    ["a/#,b", "SUB_LWT_TOPIC in lab.env"],
  );
  assert.equal(settings.get("qos")?.from, "default", "an empty value is unset");
});

test("a name in the environment that means nothing is told", async t => {
  const run = command(t, "pub-lwt", ["--show-settings"], { env: { PUB_LWT_MACHIN: "x" } });
  assert.equal(await run.exit(), 0);
  const { message } = await run.event("warning", { code: "unknown-setting" });
  assert.match(message, /Did you mean PUB_LWT_MACHINE\?/);
});

test("on a broker that others use too, names get a suffix that stays, the same for both clients", async t => {
  const cwd = temporaryFolder(t);
  const idOf = async (name: string, args: string[]) =>
    (await settingsOf(t, name, ["-b", "broker.example", ...args], { cwd })).get("client-id")?.value;
  // Two first starts at the same time agree too.
  const [machine, subscriber] = await Promise.all([idOf("pub-lwt", []), idOf("sub-lwt", [])]);
  const suffix = /^Machine1(x[0-9a-f]{6})$/.exec(machine ?? "")?.[1];
  assert.equal(subscriber, `Subscriber1${suffix}`);
  assert.equal(await idOf("pub-lwt", []), machine);
  assert.equal(await idOf("pub-lwt", ["--machine", "Mine"]), "Mine");
  assert.equal(await idOf("pub-lwt", ["--client-id", "Mine"]), "Mine");
  assert.equal(await idOf("sub-lwt", ["--machine", "Mine"]), subscriber, "that is whom it listens to");
  const run = command(t, "pub-lwt", ["-b", "broker.example", "--show-settings"], { cwd, json: false });
  assert.equal(await run.exit(), 0);
  assert.match(run.stderr.replaceAll(/\s+/g, " "), new RegExp(`client ID is ${machine}`));
  const local = await settingsOf(t, "pub-lwt", [], { cwd });
  assert.equal(local.get("client-id")?.value, "Machine1");
});

test("a suffix that can't be kept, or is damaged, stops nothing", async t => {
  const cwd = temporaryFolder(t);
  const folder = path.join(cwd, "mqtt-lwt-lab");
  const args = ["-b", "broker.example", "--show-settings"];
  mkdirSync(folder);
  writeFileSync(path.join(folder, "suffix"), "rm -rf /\n");
  const mended = command(t, "pub-lwt", args, { cwd });
  assert.equal(await mended.exit(), 0);
  assert.match(readFileSync(path.join(folder, "suffix"), "utf8"), /^x[0-9a-f]{6}\n$/);
  const file = path.join(cwd, "file");
  writeFileSync(file, "");
  chmodSync(file, 0o444);
  const env = { XDG_STATE_HOME: file, LOCALAPPDATA: file };
  const run = command(t, "pub-lwt", args, { cwd, env });
  assert.equal(await run.exit(), 0);
  assert.match((await run.event("warning", { code: "shared-broker" })).hint, /new at each run/);
});

test("on a public broker: a message a second, and how to clean up", async t => {
  const { port, process: broker } = await lwtBroker(t);
  const env = rerouted({ "test.mosquitto.org:1883": port });
  const settings = await settingsOf(t, "pub-lwt", ["-b", "test.mosquitto.org", "-m", "x"]);
  assert.equal(settings.get("interval")?.value, "1");
  const args = ["-b", "test.mosquitto.org", "--machine", "Mine", "-m", "x"];
  const pub = command(t, "pub-lwt", args, { env });
  assert.equal(await pub.exit(), 0, pub.stderr);
  const { hint } = await pub.event("warning", { code: "still-stored" });
  const [, cleanUp = ""] = /npx pub-lwt (.*)/.exec(hint) ?? [];
  assert.equal(cleanUp, "--broker mqtt://test.mosquitto.org:1883 --forget --machine Mine");
  const forget = command(t, "pub-lwt", cleanUp.split(" "), { env });
  assert.equal(await forget.exit(), 0, forget.stderr);
  await broker.event("session-ended", { clientId: "Mine" });
});

test("--forget ends the stored session, and clears the machine's retained status", async t => {
  const { url, process: broker } = await lwtBroker(t);
  assert.equal(await command(t, "sub-lwt", ["-b", url, "-E"]).exit(), 0);
  assert.equal(await command(t, "pub-lwt", ["-b", url, "-m", "x"]).exit(), 0);
  const sub = command(t, "sub-lwt", ["-b", url, "--forget"]);
  assert.equal(await sub.exit(), 0);
  await sub.event("forgotten", { clientId: "Subscriber1" });
  await broker.event("session-ended", { clientId: "Subscriber1" });
  const pub = command(t, "pub-lwt", ["-b", url, "--forget"]);
  assert.equal(await pub.exit(), 0);
  assert.deepEqual((await pub.event("forgotten")).cleared, ["Binil/Machine1/Status"]);
  assert.equal((await pub.event("connected")).will, null);
  const retained = command(t, "sub-lwt", ["-b", url, "--retained"]);
  assert.equal(await retained.exit(), 0);
  assert.deepEqual(retained.all("message"), []);
  for (const [name, brief] of [
    ["sub-lwt", ["-E"]],
    ["pub-lwt", ["-m", "x"]],
  ] as const) {
    const again = command(t, name, ["-b", url, ...brief]);
    assert.equal(await again.exit(), 0);
    assert.equal((await again.event("connected")).sessionPresent, false);
  }
});

test("--stdin-line publishes each line as its bytes, to the last one", async t => {
  const { url } = await lwtBroker(t);
  const sub = command(t, "sub-lwt", ["-b", url, "-t", "Binil/+/SensorData", "-C", "5"]);
  await sub.event("subscribed");
  const input = Buffer.concat([
    Buffer.from("one\r\n\ntwo\u2028still two\n"),
    Buffer.from([0xff, 0x00, 0x0a]),
    Buffer.from("last"),
  ]);
  const pub = command(t, "pub-lwt", ["-b", url, "-l", "--no-status"], { input });
  assert.equal(await pub.exit(), 0, pub.stderr);
  assert.equal(await sub.exit(), 0);
  assert.deepEqual(
    sub.all("message").map(({ payload, payloadBase64 }) => payload ?? payloadBase64),
    ["one", "", "two\u2028still two", Buffer.from([0xff, 0x00]).toString("base64"), "last"],
  );
  const [summary] = (await pub.event("summary")).machines;
  assert.deepEqual(summary, {
    machine: "Machine1",
    sent: 5,
    acknowledged: 5,
    notAcknowledged: 0,
    fromOutbox: null,
    inOutbox: null,
  });
});

test("--stdin-line stops at --count, and at Ctrl-C while no line comes", async t => {
  const { url } = await lwtBroker(t);
  const counted = command(t, "pub-lwt", ["-b", url, "-l", "-C", "2"], { input: "a\nb\nc\n" });
  assert.equal(await counted.exit(), 0);
  assert.equal((await counted.event("summary")).machines[0]?.machine, "Machine1");
  assert.deepEqual(
    counted.all("published").flatMap(({ topic, payload }) => (topic.endsWith("SensorData") ? [payload] : [])),
    ["a", "b"],
  );
  const short = command(t, "pub-lwt", ["-b", url, "-l", "-C", "2"], { input: "a\n" });
  assert.equal(await short.exit(), 1, "--count was not reached");
  const waiting = command(t, "pub-lwt", ["-b", url, "-l"]);
  waiting.child.stdin?.write("first\nunfinished");
  await waiting.event("acknowledged", { topic: "Binil/Machine1/SensorData" });
  waiting.child.kill("SIGINT");
  assert.equal(await waiting.exit(), 0);
  assert.equal((await waiting.event("disconnected")).graceful, true);
});

test("--raw writes payloads as they came, and nothing else", async t => {
  const { url, process: broker } = await lwtBroker(t);
  const sub = command(t, "sub-lwt", ["-b", url, "-t", "#", "-C", "2", "--raw"], { json: false });
  const written = Buffer.concat([Buffer.from([0xff, 0xfe, 0x00]), Buffer.from("\ufeff\u001b[2Jé\n")]);
  await broker.event("subscribed", { clientId: "Subscriber1" });
  const pub = ["-b", url, "--no-status"];
  assert.equal(await command(t, "pub-lwt", [...pub, "-l"], { input: written.subarray(0, 3) }).exit(), 0);
  const text = written.subarray(3).toString();
  assert.equal(await command(t, "pub-lwt", [...pub, "-m", text]).exit(), 0);
  assert.equal(await sub.exit(), 0, sub.stderr);
  assert.deepEqual(Buffer.concat(sub.bytes), written);
  assert.match(sub.stderr, /2 received/);
});
