import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { once } from "node:events";
import { createServer } from "node:net";
import path from "node:path";
import { test } from "node:test";
import { command, ends, freePort, lwtBroker, rerouted, temporaryFolder } from "../support/processes.js";
import { binDir } from "../support/paths.js";

type Wrong = [args: string[], says: RegExp];

const wrongForBoth: Wrong[] = [
  [["--qso", "1"], /no option --qso\. Did you mean --qos\?/],
  [["-x"], /no option -x/],
  [["--no-broker"], /no option --no-broker/],
  [["--constructor"], /no option --constructor/],
  [["-c"], /no option -c.*A stored session is the default/],
  [["-v"], /no option -v.*topic of each message is always shown/],
  [["something"], /unexpected argument "something".*--(message|topic) something/],
  [["--qos", "3"], /--qos needs 0, 1 or 2/],
  [["--qos"], /--qos needs a value/],
  [["-q"], /-q needs a value/],
  [["--qos", ""], /--qos needs a value, not an empty text/],
  [["--count", "0x10"], /--count needs a whole number/],
  [["--count", "0"], /--count needs a whole number from 1/],
  [["--count", ""], /--count needs a value/],
  [["--keep-alive", "65536"], /0 to 65535/],
  [["--timeout", "-1"], /--timeout needs a number from 0\.1/],
  [["--clean-session=maybe"], /--clean-session needs true or false/],
  [["--broker", "http://x"], /--broker needs/],
  [["--broker", "mqtt://h:99999"], /--broker needs/],
  [["--broker", "mqtt://%zz:x@h"], /--broker needs/],
  [["--broker", "mqtt://h/path"], /--broker needs/],
  [["--broker", "ws://h/mqtt?token=secret"], /--broker needs/],
  [["--broker", ""], /--broker needs a value/],
  [["-b", "local", "-p", "1884"], /--broker already names host and port/],
  [["-b", "mqtt://h", "--cafile", "ca.pem"], /--cafile needs TLS, and mqtt:\/\/h:1883 has none/],
  [["-b", "mqtts://h", "--cert", "c.pem"], /--cert and --key need each other/],
  [["-V", "4"], /--protocol-version needs 3\.1\.1 .*or 5/],
  [["--session-expiry", "60"], /--session-expiry needs MQTT 5.*Add --protocol-version 5/],
  [["-V", "5", "--session-expiry", "1.5"], /--session-expiry needs a whole number from 0 to 4294967295/],
  [
    ["-V", "5", "--session-expiry", "60", "--clean-session"],
    /stores the session, and --clean-session ends it/,
  ],
  [["--password", "secret"], /needs a user name/],
  [["--id", "x"], /no option --id\. Did you mean --client-id\?/],
  [["--clean-session", "False"], /unexpected argument "False".*--clean-session=false/],
  [["mqtt://anna:secret@h"], /unexpected argument "mqtt:\/\/…@h".*--broker URL/],
  [["-t", "-q", "1"], /-t needs a value, but -q follows\. For example: -t Binil\//],
  [["--qos", "4"], /\(it was given "4"\)\. For example: --qos 1$/],
];

const wrong: Record<string, Wrong[]> = {
  "pub-lwt": [
    ...wrongForBoth,
    [["--topic", "a/#"], /for subscribing only/],
    [["--machine", "a/b"], /one topic level/],
    [["--will-topic", ""], /--will-topic needs a value/],
    [["--interval", "fast"], /--interval needs a number from 0/],
    [["-b", "test.mosquitto.org", "--interval", "0.1"], /is public: --interval 0\.1 is too fast/],
    [["-m", "a", "-l"], /--message and --stdin-line exclude each other/],
    [["-l", "--fail", "network"], /waits for Enter on standard input/],
    [["--fail", "fire"], /one of network.*For example: --fail network$/],
    [["--fail", "Network"], /Did you mean --fail network\?$/],
    [["--fail"], /--fail needs a value\. For example: --fail network$/],
    [["-t", "-m", "hi"], /-t needs a value, but -m follows\./],
    [["--will-message", "x"], /no option --will-message\. Did you mean --will-payload\?/],
    [["--fail", "network", "--no-will"], /needs a will, and --no-will connects without one/],
    [["--fail", "network", "--count", "3"], /both say when to stop.*--fail network --after 3/],
    [["--fail", "keep-alive", "-k", "0"], /needs a keep alive, and --keep-alive is 0/],
    [["--fail", "network", "--forget"], /exclude each other/],
    [["--fail", "disconnect-with-will"], /needs MQTT 5.*--fail no-disconnect/],
    [["--will-delay", "5"], /--will-delay needs MQTT 5.*Add --protocol-version 5/],
    [
      ["-V", "5", "--session-expiry", "0", "--outbox", "o"],
      /needs a stored session, and --session-expiry ends it/,
    ],
    [["--after", "3"], /--after needs --fail/],
    [["--outbox", ""], /--outbox needs a value/],
    [["--machines", "0"], /--machines needs a whole number from 1 to 25000/],
    [["--machines", "7-5"], /--machines needs .* or a range of that size, such as 5001-10000/],
    [["--machines", "1-25001"], /or a range of that size/],
    [["--machines", "5-5", "--machine", "M"], /--machines is for many machines, and --machine for one/],
    [["--machines", "11-16", "-b", "hivemq"], /is public: --machines 11-16 is too much/],
    [["--machines", "2", "--machine", "M"], /--machines is for many machines, and --machine for one/],
    [["--machines", "2", "-i", "M"], /and --client-id for one/],
    [["--machines", "2", "--stdin-line"], /and --stdin-line for one/],
    [["--machines", "2", "--outbox", "o"], /and --outbox for one/],
    [["--machines", "6", "-b", "hivemq"], /is public: --machines 6 is too much/],
    [["--outbox", "o", "--qos", "0"], /at --qos 0 nothing is acknowledged.*--qos 1 or 2/],
    [["--outbox", "o", "--clean-session"], /needs a stored session, and --clean-session ends it/],
    [["--outbox", "o", "--forget"], /--forget ends the session.*delete the folder/],
  ],
  "sub-lwt": [
    ...wrongForBoth,
    [["#"], /unexpected argument "#"\. To subscribe to it: sub-lwt --topic "#"$/],
    [["--topic", "a/#/b"], /# must be the last level/],
    [["--topic", "a", "--topic", ""], /--topic needs a value/],
    [["--until", "gone"], /one of online, offline, stopped/],
    [["--retained", "--until", "offline"], /--retained and --until exclude/],
    [["--retained", "--subscribe-only"], /exclude each other/],
    [["--forget", "--count", "1"], /--forget and --count exclude/],
    [["--subscribe-only", "--clean-session"], /creates a stored session/],
    [["-V", "5", "--subscribe-only", "--session-expiry", "0"], /--session-expiry ends it/],
    [["-V", "5", "--hold-acks", "--session-expiry", "0"], /--session-expiry nothing is sent again/],
    [["--raw", "--quiet"], /--raw and --quiet exclude/],
    [["--table", "--raw"], /--table and --raw exclude/],
    [["--table", "--quiet"], /--table and --quiet exclude/],
    [["--table", "--retained"], /--table and --retained exclude/],
    [["--hold-acks", "--retained"], /--hold-acks and --retained exclude/],
    [["--hold-acks", "--clean-session"], /nothing is sent again/],
    [["--hold-acks", "--qos", "0"], /at QoS 0 nothing is acknowledged/],
    [["--interval", "1"], /no option --interval/],
  ],
  "lwt-broker": [
    [["--sync", "write"], /--sync needs --data/],
    [["--salvage"], /--salvage needs --data/],
    [["--tls-port", "8883"], /TLS needs both a certificate and its key/],
    [["--tls-cert", "c.pem"], /--tls-cert FILE --tls-key FILE/],
    [["--tls-only"], /TLS needs both/],
    [["--ws-origin", "http://a"], /--ws-origin needs --ws-port.*--ws-port PORT/],
    [["--ws-port", "1", "--ws-origin", "a.example"], /--ws-origin needs an origin, such as https:/],
    [["--port", "9001", "--ws-port", "9001"], /are different ports/],
    [["--port", "70000"], /0 to 65535/],
    [["--host", ""], /--host needs a value/],
    [["--prot", "1"], /Did you mean --port\?/],
    [["1883"], /unexpected argument "1883"/],
    [["status", "1883"], /unexpected argument "1883"/],
    [["passwd"], /passwd needs a file and a user name.*passwd users\.txt anna/],
    [["passwd", "users.txt"], /passwd needs a file and a user name/],
    [["passwd", "users.txt", "anna", "secret", "secret"], /passwd takes a file and a user name only/],
    [["--users", ""], /--users needs a value/],
  ],
};

for (const [name, uses] of Object.entries(wrong))
  test(`${name}, used wrongly: exit 2, a line on what, a line on what next`, async t => {
    const runs = await ends(
      t,
      uses.map(([args]) => ({ name, args })),
    );
    for (const [i, [args, says]] of uses.entries())
      await t.test(args.join(" "), () => {
        const { exit, stdout, stderr } = runs[i] ?? assert.fail();
        assert.equal(exit, 2);
        assert.equal(stdout, "");
        assert.match(stderr.replaceAll(/\s+/g, " ").trim(), says);
        assert.match(stderr, new RegExp(`^${name}: .+\n {2}\\S.+\n$`));
        assert.doesNotMatch(stderr, /secret|\n {4}at /);
      });
  });

test("a wrong use in a process of its own", async t => {
  const run = command(t, "pub-lwt", ["--qso", "1"], { json: false });
  assert.equal(await run.exit(), 2);
  assert.equal(run.stdout, "");
  assert.match(run.stderr, /^pub-lwt: .*no option --qso\. Did you mean --qos\?\n {2}\S.+\n$/);
});

test("options in Mosquitto's ways: attached, with =, grouped, and a payload that looks like an option", async t => {
  const ways: [args: string[], name: string, value: string][] = [
    [["-p1884"], "broker", "mqtt://127.0.0.1:1884"],
    [["-h", "::1", "-p", "1884"], "broker", "mqtt://[::1]:1884"],
    [["-h", "example.org"], "broker", "mqtt://example.org:1883"],
    [["-h", "example.org", "-p", "8883"], "broker", "mqtts://example.org:8883"],
    [["-h", "example.org", "--insecure"], "broker", "mqtts://example.org:8883"],
    [["-b", "example.org:1884"], "broker", "mqtt://example.org:1884"],
    [["-b", "wss://example.org"], "broker", "wss://example.org:443/mqtt"],
    [["-b", "ws://example.org:8080/ws"], "broker", "ws://example.org:8080/ws"],
    [["-V", "mqttv311"], "protocol-version", "3.1.1"],
    [["-V", "mqttv5"], "protocol-version", "5"],
    [["-V", "5"], "session-expiry", "86400"],
    [["-V", "5", "--will-delay", "9", "--session-expiry", "7"], "will-delay", "7"],
    [["--qos=2"], "qos", "2"],
    [["-q", "1", "-q", "2"], "qos", "2"],
    [["-rm", "--json=x"], "message", "--json=x"],
    [["-m=-x"], "message", "-x"],
    [["-m", ""], "message", ""],
    [["--clean-session=False"], "clean-session", "false"],
    [["--clean-session=True"], "clean-session", "true"],
    [["--will-retain=false"], "will-retain", "false"],
    [["--client-id", "1e3"], "client-id", "1e3"],
    [["--message", "0x10"], "message", "0x10"],
  ];
  const runs = await ends(
    t,
    ways.map(([args]) => ({ name: "pub-lwt", args: [...args, "--show-settings", "--json"] })),
  );
  for (const [i, [args, name, value]] of ways.entries()) {
    const { exit, events, stderr } = runs[i] ?? assert.fail();
    assert.equal(exit, 0, `${args.join(" ")}: ${stderr}`);
    const settings = events().flatMap(event => (event.event === "settings" ? event.settings : []));
    assert.equal(settings.find(setting => setting.name === name)?.value, value, args.join(" "));
  }
});

test("--version is the version, and -h alone is help", async t => {
  const runs = ["pub-lwt", "sub-lwt", "lwt-broker", "lwt-demo"].flatMap(name =>
    ["--version", "-h"].map(word => ({ name, args: [word] })),
  );
  for (const [i, { exit, stdout }] of (await ends(t, runs)).entries()) {
    assert.equal(exit, 0);
    assert.match(stdout, i % 2 === 0 ? /^\d+\.\d+\.\d+\n$/ : /Output:/);
  }
});

test("no broker: says so, what to type, and connects when one comes up", async t => {
  const port = await freePort();
  const pub = command(t, "pub-lwt", ["-p", String(port), "-C", "1"]);
  const { code, hint } = await pub.event("warning");
  assert.equal(code, "no-broker");
  assert.match(hint, /npx lwt-broker.*trying for \d+ s more/);
  const broker = command(t, "lwt-broker", ["--port", String(port)]);
  await broker.event("listening");
  assert.equal(await pub.exit(), 0);
});

test("no broker for good: exit 1", async t => {
  const sub = command(t, "sub-lwt", ["-p", String(await freePort()), "--connect-timeout", "1"]);
  assert.equal(await sub.exit(), 1);
  await sub.event("error", { code: "no-broker" });
});

test("something that isn't MQTT: exit 1 and said so", async t => {
  const server = createServer(socket => socket.on("error", () => {}).end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  const sub = command(t, "sub-lwt", ["-p", String(port), "--connect-timeout", "1"]);
  assert.equal(await sub.exit(), 1);
  await sub.event("error", { code: "not-mqtt" });
});

test("a port that is taken: exit 1, and another one to type", async t => {
  const { port } = await lwtBroker(t);
  const second = command(t, "lwt-broker", ["--port", String(port)]);
  assert.equal(await second.exit(), 1);
  assert.match(second.stderr, /already in use[^]*--port/);
});

test("Ctrl-C, SIGTERM and stop over IPC end gracefully", async t => {
  const { url, process: broker } = await lwtBroker(t);
  const stops = [
    (run: ReturnType<typeof command>) => run.child.kill("SIGINT"),
    (run: ReturnType<typeof command>) => run.child.kill("SIGTERM"),
    (run: ReturnType<typeof command>) => run.child.send("stop"),
    (run: ReturnType<typeof command>) => run.child.disconnect(),
  ];
  for (const [i, stop] of stops.entries()) {
    const machine = `M${i}`;
    const pub = command(t, "pub-lwt", ["-b", url, "--machine", machine, "--interval", "0.05"]);
    await pub.event("acknowledged", { seq: 2 });
    stop(pub);
    assert.equal(await pub.exit(), 0);
    await broker.event("will-discarded", { clientId: machine, cause: "graceful" });
    const last = pub.all("published").at(-1);
    assert.equal(last?.payload, "Sensor Stopped");
    await pub.event("acknowledged", { packetId: last?.packetId ?? null, topic: `Binil/${machine}/Status` });
  }
});

test("a closed pipe ends it gracefully, with exit 0", async t => {
  const { url, process: broker } = await lwtBroker(t);
  const pub = command(t, "pub-lwt", ["-b", url, "--interval", "0.01"], { json: false });
  await pub.waitFor("a line", () => pub.stdout.includes("\n") || undefined);
  pub.child.stdout?.destroy();
  assert.equal(await pub.exit(), 0);
  await broker.event("will-discarded", { cause: "graceful" });
});

test("--timeout ends with 27, after a DISCONNECT; --count not reached with 1", async t => {
  const { url, process: broker } = await lwtBroker(t);
  const sub = command(t, "sub-lwt", ["-b", url, "-W", "2"]);
  assert.equal(await sub.exit(), 27);
  await broker.event("client-disconnected", { clientId: "Subscriber1", cause: "graceful" });
  const counting = command(t, "sub-lwt", ["-b", url, "-C", "5"]);
  await counting.event("subscribed", { topicFilter: "sensors/lastwill" });
  counting.child.send("stop");
  assert.equal(await counting.exit(), 1);
});

test("options go before the environment, that before .env, and an empty value is unset", async t => {
  const { url } = await lwtBroker(t);
  const cwd = temporaryFolder(t);
  writeFileSync(path.join(cwd, ".env"), `LWT_BROKER=${url}\nPUB_LWT_MACHINE=FromFile\nPUB_LWT_QOS=2\n`);
  const env = { PUB_LWT_MACHINE: "FromEnvironment", PUB_LWT_QOS: "", PUB_LWT_COUNT: "1" };
  const pub = command(t, "pub-lwt", ["--namespace", "FromOption"], { cwd, env });
  assert.equal(await pub.exit(), 0);
  const reading = pub.all("published").find(({ seq }) => seq === 1);
  assert.equal(reading?.topic, "FromOption/FromEnvironment/SensorData");
  assert.equal(reading?.qos, 2);
});

test("a password from the environment does not go to a broker that only .env names", async t => {
  const cwd = temporaryFolder(t);
  writeFileSync(path.join(cwd, ".env"), "LWT_BROKER=mqtt://127.0.0.1:1\nLWT_USERNAME=u\n");
  const pub = command(t, "pub-lwt", [], { cwd, env: { LWT_PASSWORD: "hushhush" } });
  assert.equal(await pub.exit(), 2);
  assert.match(pub.stderr, /LWT_PASSWORD is not sent/);
  assert.doesNotMatch(pub.stdout + pub.stderr, /hushhush/);
});

test("passwords appear in no output", async t => {
  const { url } = await lwtBroker(t);
  const withUser = url.replace("mqtt://", "mqtt://someone:hushhush@");
  const pub = command(t, "pub-lwt", ["-b", withUser, "-m", "x", "--debug"]);
  assert.equal(await pub.exit(), 0);
  assert.match(pub.stderr, /CONNECT.*someone/);
  assert.doesNotMatch(pub.stdout + pub.stderr, /hushhush/);
});

test("the bins say how to build what isn't built", t => {
  const folder = temporaryFolder(t);
  execFileSync("node", [
    "-e",
    `require("fs").cpSync(${JSON.stringify(binDir)}, ${JSON.stringify(path.join(folder, "bin"))}, {recursive: true})`,
  ]);
  const { status, stderr } = spawnSync(process.execPath, [path.join(folder, "bin", "pub-lwt.cjs")], {
    encoding: "utf8",
  });
  assert.equal(status, 1);
  assert.match(stderr, /npm install/);
});

test("why a connection ended is told by who closed it", async t => {
  const { url } = await lwtBroker(t);
  const reasons: Record<string, RegExp> = {
    network: /closed here, without DISCONNECT/,
    "protocol-error": /the other side closed it|reset/,
    graceful: /DISCONNECT sent/,
  };
  for (const [cause, reason] of Object.entries(reasons)) {
    const pub = command(t, "pub-lwt", ["-b", url, "--fail", cause, "--after", "1"]);
    assert.equal(await pub.exit(), 0);
    assert.match((await pub.event("disconnected")).reason, reason);
  }
});

test("Ctrl-C while no broker answers: exit 1, and said so; on another computer none can be started from here", async t => {
  const near = ["-p", String(await freePort())];
  const far = ["-b", "broker.example"];
  for (const [args, says] of [
    [near, /in another terminal: npx lwt-broker --port \d+$/],
    [far, /^(?!.*another terminal).*--host 0\.0\.0\.0/],
  ] as const) {
    const env = rerouted({ "broker.example:1883": "ECONNREFUSED" });
    const pub = command(t, "pub-lwt", [...args, "--connect-timeout", "120"], { env });
    await pub.event("warning", { code: "no-broker" });
    pub.child.kill("SIGINT");
    assert.equal(await pub.exit(), 1);
    assert.match((await pub.event("error", { code: "stopped" })).hint, says);
  }
});

test("a second Ctrl-C while it is stopping leaves at once, with 130", async t => {
  const { url } = await lwtBroker(t);
  const pub = command(t, "pub-lwt", ["-b", url, "--fail", "keep-alive"]);
  await pub.event("acknowledged", { seq: 1 });
  pub.child.kill("SIGINT");
  await pub.event("failing", { cause: "keep-alive" });
  pub.child.kill("SIGINT");
  assert.equal(await pub.exit(), 130);
});

test("when the broker goes and comes back, both clients go on", async t => {
  const { process: first, port } = await lwtBroker(t);
  const sub = command(t, "sub-lwt", ["-p", String(port), "-t", "Binil/+/SensorData"]);
  await sub.event("subscribed");
  const pub = command(t, "pub-lwt", ["-p", String(port), "--interval", "0.1"]);
  await sub.event("message", { seq: 1 });
  first.child.kill("SIGKILL");
  await first.exit();
  await pub.event("reconnecting");
  const second = command(t, "lwt-broker", ["--port", String(port)]);
  await second.event("client-connected", { clientId: "Subscriber1" });
  await second.event("subscribed", { clientId: "Subscriber1" });
  const sent = pub.all("published").findLast(({ seq }) => seq !== null)?.seq ?? 0;
  await sub.event("message", { seq: sent + 2 });
  pub.child.send("stop");
  assert.equal(await pub.exit(), 0);
  sub.child.send("stop");
  assert.equal(await sub.exit(), 0);
});
