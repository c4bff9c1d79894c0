import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import type { Will } from "../../src/events/events.js";
import { command, temporaryFolder, type TestBroker } from "../support/processes.js";
import { type ConnectOptions, RawClient } from "../support/raw-client.js";
import { SECRET, line, login, startOn, told, usersBroker, write } from "../support/users-broker.js";

const CLASS = [
  "everyone",
  "  publish   class/%u/#",
  "  publish   device/%c/state",
  "  subscribe class/+/readings",
  line("anna"),
  "  subscribe class/anna/#",
  line("ben"),
  line("teacher"),
  "  publish #",
  "  subscribe #",
  line("admin"),
  "\tsubscribe $SYS/#",
  line("a/b"),
  line("+"),
  line("x#"),
  line("$SYS"),
];

test("a subscription is granted when its filter is wholly inside an allowed one; else 0x80", async t => {
  const broker = await usersBroker(t, CLASS);
  const anna = await broker.connect("anna", "anna-1");
  const grants: [filter: string, granted: number][] = [
    ["class/+/readings", 1],
    ["class/ben/readings", 1],
    ["class/anna/#", 1],
    ["class/anna", 1],
    ["class/anna/+/x", 1],
    ["class/#", 0x80],
    ["class/+/#", 0x80],
    ["class/+/+", 0x80],
    ["class/ben/#", 0x80],
    ["+/+/readings", 0x80],
    ["#", 0x80],
    ["$SYS/#", 0x80],
  ];
  for (const [filter, granted] of grants) assert.equal(await anna.subscribe(filter, 1), granted, filter);
  await told(broker.process, "not-authorized", { topic: "$SYS/#" });
  const refused = broker.process.all("not-authorized").map(({ topic }) => topic);
  assert.deepEqual(
    refused,
    grants.filter(([, granted]) => granted === 0x80).map(([filter]) => filter),
  );
  const subscribed = broker.process.all("subscribed").map(each => each.topicFilter);
  assert.ok(!subscribed.includes("#"));
  const teacher = await broker.connect("teacher", "teacher-1");
  assert.equal(await teacher.subscribe("#", 1), 1);
  await teacher.publish("class/ben/private", "not for anna", 1);
  await teacher.publish("class/ben/readings", "marker", 1);
  assert.deepEqual(await anna.payloadsBefore("marker"), []);
  await teacher.message("not for anna");
});

test("a publication without the right closes the connection, and nobody gets it", async t => {
  const broker = await usersBroker(t, CLASS);
  const teacher = await broker.connect("teacher", "teacher-1");
  await teacher.subscribe("#", 1);
  const refused: [user: string, clientId: string, topic: string][] = [
    ["anna", "a1", "class/ben/readings"],
    ["anna", "a2", "class"],
    ["anna", "a3", "device/other/state"],
    // Names that would widen a right.
    ["a/b", "b1", "class/a/b/x"],
    ["anna", "a/state", "device/a/state/state"],
    ["anna", "+", "device/x/state"],
    ["+", "p1", "class/ben/x"],
    ["x#", "h1", "class/x/x"],
    ["anna", "#", "device/x/state"],
  ];
  for (const [user, clientId, topic] of refused) {
    const client = await broker.connect(user, clientId);
    await client.ping();
    void client.publish(topic, `forged by ${clientId}`, 1).catch(() => {});
    await client.ended(topic);
    const { user: told } = await broker.process.event("not-authorized", {
      clientId,
      action: "publish",
      topic,
    });
    assert.equal(told, user);
    const { cause } = await broker.process.event("client-disconnected", { clientId });
    assert.equal(cause, "not-authorized");
  }
  const anna = await broker.connect("anna", "machine");
  await anna.publish("class/anna/readings", "hers", 2);
  await anna.publish("device/machine/state", "by its client ID", 0);
  assert.deepEqual(await teacher.payloadsBefore("by its client ID"), ["hers"]);
});

test("$SYS: nobody publishes there; who may subscribe to it asks what the broker holds", async t => {
  const broker = await usersBroker(t, CLASS);
  for (const [user, topic] of [
    ["teacher", "$SYS/x"],
    ["teacher", "$SYS"],
    ["$SYS", "$SYS/x"],
  ] as const) {
    const client = await broker.connect(user, "writer");
    void client.publish(topic, "x", 1).catch(() => {});
    await client.ended(topic);
  }
  const status = (user: string) =>
    command(t, "lwt-broker", ["status", "--broker", `127.0.0.1:${broker.port}`], {
      env: { LWT_USERNAME: user, LWT_PASSWORD: SECRET },
    });
  const [admin, anna] = [status("admin"), status("anna")];
  assert.equal(await admin.exit(), 0, admin.stderr);
  assert.equal(admin.all("broker-status").length, 1);
  assert.equal(await anna.exit(), 1);
  const inUrl = `mqtt://admin:${encodeURIComponent(SECRET)}@127.0.0.1:${broker.port}`;
  const byUrl = command(t, "lwt-broker", ["status", "--broker", inUrl]);
  assert.equal(await byUrl.exit(), 0, byUrl.stderr);
});

const WILL: Will = { topic: "class/anna/status", payload: "Offline", qos: 1, retain: false };

test("a will counts as a publication: refused at CONNECT, and thrown away when the right is gone", async t => {
  const broker = await usersBroker(t, CLASS);
  const will = { ...WILL, topic: "class/ben/status" };
  assert.equal(await broker.returnCode({ clientId: "forger", ...login("anna"), will }), 5);
  const { reason } = await broker.process.event("client-refused", { clientId: "forger" });
  assert.match(reason, /return code 5, not authorized: no right to the will's topic/);
  await broker.process.event("not-authorized", { clientId: "forger", topic: "class/ben/status" });

  const watcher = await broker.connect("teacher", "watcher");
  await watcher.subscribe("class/#", 1);
  const first = await broker.connect("anna", "first", { will: { ...WILL, payload: "allowed" } });
  first.socket.resetAndDestroy();
  await watcher.message("allowed");
  const second = await broker.connect("anna", "second", { will: WILL });
  const stopped = await broker.connect("anna", "stopped", { will: WILL });
  await broker.change(line("anna"), "  publish class/anna/other", line("teacher"), "  subscribe #");
  second.socket.resetAndDestroy();
  const thrown = {
    event: "will-discarded",
    topic: WILL.topic,
    cause: "not-authorized",
    clause: "[MQTT-3.3.5-2]",
  };
  const { time: _, ...discarded } = await broker.process.event("will-discarded", { clientId: "second" });
  assert.deepEqual(discarded, { ...thrown, clientId: "second" });
  await stopped.publish("class/anna/other", "marker", 1);
  assert.deepEqual(await watcher.payloadsBefore("marker"), ["allowed"]);
  broker.process.child.send("stop");
  assert.equal(await broker.process.exit(), 0);
  await broker.process.event("will-discarded", { clientId: "stopped", cause: "not-authorized" });
  assert.equal(broker.process.all("will-published").length, 1);
  await watcher.closed;
  assert.deepEqual(
    watcher.publishes.items.map(({ payload }) => payload),
    ["allowed", "marker"],
  );
});

test("a stored session, and a connection, are the user's who made them", async t => {
  const broker = await usersBroker(t, CLASS);
  const anna = await broker.connect("anna", "machine", { clean: false });
  await anna.subscribe("class/+/readings", 1);
  const refused = async (more: Partial<ConnectOptions>) => {
    assert.equal(await broker.returnCode({ clientId: "machine", ...login("ben"), ...more }), 2);
  };
  // While she is connected: she is not disturbed.
  for (const clean of [false, true]) await refused({ clean });
  await anna.ping();
  assert.deepEqual(broker.process.all("client-disconnected"), []);
  anna.disconnect();
  await broker.process.event("session-stored", { clientId: "machine" });
  for (const clean of [false, true]) await refused({ clean });
  const { reason } = await broker.process.event("client-refused", { clientId: "machine" });
  assert.match(reason, /return code 2, client identifier rejected: it is another user's/);
  // A clean session is nobody's when its connection is over, and not before.
  const clean = await broker.connect("anna", "clean");
  assert.equal(await broker.returnCode({ clientId: "clean", ...login("ben") }), 2);
  await clean.ping();
  clean.disconnect();
  await broker.process.event("client-disconnected", { clientId: "clean", cause: "graceful" });
  await clean.ended();
  assert.equal(await broker.returnCode({ clientId: "clean", ...login("ben") }), 0);
  const again = RawClient.start(t, broker.port, { clientId: "machine", ...login("anna"), clean: false });
  assert.deepEqual(await again.connack(), { sessionPresent: true, returnCode: 0 });
  // By herself it is taken over, and ended.
  const last = await broker.connect("anna", "machine");
  await again.ended();
  last.disconnect();
  await broker.process.event("session-ended", { clientId: "machine" });
  await broker.process.event("client-disconnected", { clientId: "machine", cause: "graceful" });
  await last.ended();
  const ben = await broker.connect("ben", "machine", { clean: false });
  await ben.ping();
});

test("with --data the owner of a session and of a will is known after the broker has died", async t => {
  const data = ["--data", path.join(temporaryFolder(t), "data"), "--sync", "write"];
  const first = await usersBroker(t, [...CLASS, "anonymous", "  subscribe old/#"], ...data);
  const anna = await first.connect("anna", "machine", { clean: false });
  await anna.subscribe("class/+/readings", 1);
  await (await first.connect(null, "old", { clean: false })).subscribe("old/#", 1);
  await first.connect("anna", "with-will", { will: WILL });
  await first.connect("anna", "with-lost-will", { will: { ...WILL, topic: "class/anna/lost" } });
  first.process.child.kill("SIGKILL");
  await first.process.exit();
  write(first.file, [line("anna"), "  publish class/%u/status", "  subscribe class/+/readings", line("ben")]);
  const second = await startOn(t, first.file, ...data);
  await second.process.event("will-published", { clientId: "with-will" });
  await second.process.event("will-discarded", { clientId: "with-lost-will", cause: "not-authorized" });
  const come = (user: string, clientId: string) =>
    RawClient.start(t, second.port, { clientId, ...login(user), clean: false }).connack();
  assert.equal((await come("ben", "machine")).returnCode, 2);
  assert.deepEqual(await come("anna", "machine"), { sessionPresent: true, returnCode: 0 });
  // What was nobody's is the first one's who asks for it, with the filters that are theirs.
  assert.deepEqual(second.process.all("unsubscribed"), []);
  assert.deepEqual(await come("anna", "old"), { sessionPresent: true, returnCode: 0 });
  await second.process.event("unsubscribed", { clientId: "old", topicFilter: "old/#" });
  assert.equal((await come("ben", "old")).returnCode, 2);
  second.process.child.send("stop");
  assert.equal(await second.process.exit(), 0);
  const third = await startOn(t, first.file, ...data);
  assert.equal(await third.returnCode({ clientId: "old", ...login("ben"), clean: false }), 2);
});

test("rights that are gone: subscriptions end, and what was queued is not delivered", async t => {
  const both = ["  subscribe class/1", "  subscribe class/2", line("teacher"), "  publish #"];
  const broker = await usersBroker(t, [line("anna"), ...both]);
  const away = await broker.connect("anna", "away", { clean: false });
  const here = await broker.connect("anna", "here");
  for (const client of [away, here])
    for (const filter of ["class/1", "class/2"]) await client.subscribe(filter, 1);
  away.disconnect();
  await broker.process.event("session-stored", { clientId: "away" });
  const teacher = await broker.connect("teacher", "teacher");
  for (const topic of ["class/1", "class/2"]) await teacher.publish(topic, `before, ${topic}`, 1);
  await here.message("before, class/2");
  await broker.change(line("anna"), "  subscribe class/2", line("teacher"), "  publish #");
  await broker.process.event("unsubscribed", { clientId: "here", topicFilter: "class/1" });
  for (const topic of ["class/1", "class/2"]) await teacher.publish(topic, `after, ${topic}`, 1);
  assert.deepEqual(await here.payloadsBefore("after, class/2"), ["before, class/1", "before, class/2"]);
  const back = await broker.connect("anna", "away", { clean: false });
  assert.deepEqual(await back.payloadsBefore("after, class/2"), ["before, class/2"]);
  await broker.process.event("message-dropped", { clientId: "away", topic: "class/1" });
});

test("rights that are gone: nothing more is queued for who is away, nor after a restart", async t => {
  const data = ["--data", path.join(temporaryFolder(t), "data"), "--sync", "write"];
  const teacher = [line("teacher"), "  publish #"];
  const anna = [line("anna"), "  subscribe class/2"];
  const nobody = ["anonymous", "  subscribe class/#"];
  const broker = await usersBroker(
    t,
    [...anna, "  subscribe class/1", line("ben"), "  subscribe #", ...nobody, ...teacher],
    ...data,
  );
  for (const [user, clientId, filters] of [
    ["anna", "a", ["class/1", "class/2"]],
    ["ben", "b", ["class/1", "class/2"]],
    [null, "n", ["class/1", "class/2"]],
  ] as const) {
    const client = await broker.connect(user, clientId, { clean: false });
    for (const filter of filters) await client.subscribe(filter, 1);
    if (user !== "ben") client.disconnect();
    if (user !== "ben") await broker.process.event("session-stored", { clientId });
  }
  await broker.change(...anna, ...teacher);
  await broker.process.event("session-stored", { clientId: "b" }); // as ben is no user any more
  await (await broker.connect("teacher", "t")).publish("class/1", "x", 1);
  await (await broker.connect("teacher", "t")).publish("class/2", "marker", 1);
  await broker.process.event("message-queued", { topic: "class/2" });
  const queued = ({ process }: TestBroker) =>
    process.all("message-queued").map(({ clientId, topic }) => `${clientId} ${topic}`);
  assert.deepEqual(queued(broker), ["a class/2"]);
  const gone = broker.process
    .all("not-authorized")
    .map(each => `${each.clientId} ${each.user} ${each.topic}`);
  const expected = ["a anna class/1", "b ben class/1", "b ben class/2"];
  assert.deepEqual(gone, [...expected, "n null class/1", "n null class/2"]);

  broker.process.child.send("stop");
  assert.equal(await broker.process.exit(), 0);
  write(broker.file, [line("anna"), "  subscribe class/3", ...teacher]);
  const next = await startOn(t, broker.file, ...data);
  await next.process.event("unsubscribed", { clientId: "a", topicFilter: "class/2" });
  assert.equal(next.process.all("unsubscribed").length, 1);
});
