import assert from "node:assert/strict";
import { scryptSync } from "node:crypto";
import { chmodSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import type { Event, Will } from "../../src/events/events.js";
import {
  command,
  ends,
  lwtBroker,
  type Running,
  temporaryFolder,
  type TestBroker,
} from "../support/processes.js";
import { type ConnectOptions, RawClient } from "../support/raw-client.js";
import { certificate } from "../support/servers.js";
import { supportFile } from "../support/paths.js";

const SECRET = "correct horse";

/** Cheap, since a test need not be safe. */
function hash(password: string): string {
  const salt = Buffer.alloc(16, password);
  const base64 = (bytes: Buffer) => bytes.toString("base64").replace(/=+$/, "");
  const key = scryptSync(password, salt, 32, { N: 16, r: 8, p: 1 });
  return `$scrypt$ln=4,r=8,p=1$${base64(salt)}$${base64(key)}`;
}

const line = (user: string, password = SECRET) => `${user}:${hash(password)}`;

interface UsersBroker extends TestBroker {
  file: string;
  connect(user: string | null, clientId: string, more?: Omit<ConnectOptions, "clientId">): Promise<RawClient>;
  /** The return code of CONNACK. */
  returnCode(options: ConnectOptions): Promise<number>;
  /** Puts another file in its place, and waits until it is read. */
  change(...lines: string[]): Promise<void>;
}

const write = (file: string, lines: string[]) => writeFileSync(file, `${lines.join("\n")}\n`);

const login = (user: string | null) => (user === null ? {} : { userName: user, password: SECRET });

async function usersBroker(t: TestContext, lines: string[], ...args: string[]): Promise<UsersBroker> {
  const file = path.join(temporaryFolder(t), "users.txt");
  write(file, lines);
  return startOn(t, file, ...args);
}

async function startOn(t: TestContext, file: string, ...args: string[]): Promise<UsersBroker> {
  const broker = await lwtBroker(t, "--users", file, ...args);
  const { port, process } = broker;
  const times = () => process.all("users-read").length + process.all("warning").length;
  return {
    ...broker,
    file,
    connect: (user, clientId, more = {}) => RawClient.connect(t, port, { clientId, ...login(user), ...more }),
    returnCode: async options => (await RawClient.start(t, port, options).connack()).returnCode,
    change: async (...lines) => {
      const before = times();
      write(`${file}.new`, lines);
      renameSync(`${file}.new`, file); // as editors do
      await process.waitFor("reading of users", () => (times() > before ? true : undefined));
    },
  };
}

type Fields<Name extends Event["event"]> = Partial<Extract<Event, { event: Name }>>;

const told = <Name extends Event["event"]>(process: Running, name: Name, where: Fields<Name>) =>
  process.event(name, where);

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

test("the file changes: who is gone, or has another password, is closed; others stay; a bad one changes nothing", async t => {
  const rights = ["everyone", "  publish %u", "anonymous", "  subscribe %c"];
  const broker = await usersBroker(t, [...rights, line("anna"), line("ben"), line("cem")]);
  const clients = await Promise.all(
    ["anna", "ben", "cem", null].map(user => broker.connect(user, user ?? "nobody")),
  );
  const [anna, ben, cem, nobody] = clients;
  await broker.change(...rights, line("anna"), line("ben"), line("cem"), "  publish bad/#/filter");
  const { message, hint } = await told(broker.process, "warning", { code: "users-file" });
  assert.match(message, /users\.txt, line 8: .*\[MQTT-4\.7\.1-2\]/);
  assert.match(hint, /before holds/);
  await broker.change("");
  for (const client of clients) await client.ping();
  rmSync(broker.file);
  await broker.process.waitFor(
    "that it is gone",
    () => broker.process.all("warning").some(each => each.message.includes("no such file")) || undefined,
  );
  for (const client of clients) await client.ping();
  await broker.change("everyone", "  publish %u", line("anna"), line("ben", "another"));
  for (const [client, clientId] of [
    [ben, "ben"],
    [cem, "cem"],
    [nobody, "nobody"],
  ] as const) {
    await client?.ended(clientId);
    await told(broker.process, "client-disconnected", { clientId, cause: "not-authorized" });
  }
  await anna?.publish("anna", "still here", 1);
  assert.equal(await broker.returnCode({ clientId: "ben", ...login("ben") }), 4);
  assert.equal(await broker.returnCode({ clientId: "ben", userName: "ben", password: "another" }), 0);
  assert.equal(await broker.returnCode({ clientId: "cem", ...login("cem") }), 4);
});

test("a mistake in the file: exit code 2, its line, and nothing of what stands there", async t => {
  const wrong: [text: string, says: RegExp][] = [
    ["", /there is no user in .*passwd/],
    ["# nobody\neveryone\n", /there is no user in/],
    ["  publish #\n", /line 1: this right is nobody's/],
    ["anonymous\n  write secret\n", /line 2: a right is the word publish or subscribe, and a topic filter/],
    ["anonymous\n  publish\n", /line 2: a right is the word/],
    ["anonymous\n\n  subscribe a/#/b\n", /line 3: the topic filter can't be: # must be the last level/],
    ["anonymous\n  publish $SYS/#\n", /line 2: nobody may publish under \$SYS/],
    ["anonymous\n  publish %u/x\n", /line 2: who is anonymous has no name for %u/],
    ["anonymous\r\n\r\nanonymous\r\n", /line 3: anonymous stands in an earlier line/],
    [`${line("anna")}\n${line("anna")}\n`, /line 2: the user anna stands in an earlier line/],
    ["anna\n", /line 1: this is neither everyone nor anonymous, .*passwd/],
    ["anna:secret\n", /line 1: what follows anna is no password hash.*passwd .* anna/],
    [`anna:${hash("x").replace("ln=4", "ln=30")}\n`, /line 1: .*costs too much/],
    [`:${hash("x")}\n`, /line 1: the user name can't be: it is empty/],
  ];
  const folder = temporaryFolder(t);
  const files = wrong.map((_, i) => path.join(folder, `users-${i}.txt`));
  for (const [i, [text]] of wrong.entries()) writeFileSync(files[i] ?? "", text);
  const using = (file: string) => ({ name: "lwt-broker", args: ["--port", "0", "--users", file] });
  const runs = await ends(t, [...files, path.join(folder, "absent.txt")].map(using));
  wrong.push(["absent", /absent\.txt can't be read: there is no such file.*passwd/]);
  for (const [i, [text, says]] of wrong.entries()) {
    const { exit, stdout, stderr } = runs[i] ?? assert.fail();
    assert.equal(exit, 2, text);
    assert.match(stderr.replaceAll(/\s+/g, " "), says);
    assert.doesNotMatch(stderr, /secret|scrypt/);
    assert.equal(stdout, "");
  }
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
  assert.equal(reason, "return code 3, server unavailable: too many log-ins wait");
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

test("passwd: a line from a pipe; a new file is its owner's only; all else in an old one stays", async t => {
  const folder = temporaryFolder(t);
  const file = path.join(folder, "users.txt");
  const passwd = (user: string, input: string, more: string[] = []) =>
    command(t, "lwt-broker", ["passwd", file, user, ...more], { input });
  const add = passwd("anna", "Hidden-1\nnot this\n");
  assert.equal(await add.exit(), 0, add.stderr);
  const { time: _, ...event } = await add.event("password-set");
  assert.deepEqual(event, { event: "password-set", file, user: "anna", added: true });
  if (process.platform !== "win32") assert.equal(statSync(file).mode & 0o777, 0o600);
  // It works as it is, with the topics of the course.
  const broker = await startOn(t, file);
  const pub = command(t, "pub-lwt", ["-b", broker.url, "-u", "anna", "-C", "1"], {
    env: { LWT_PASSWORD: "Hidden-1" },
  });
  assert.equal(await pub.exit(), 0, pub.stderr);
  const sub = command(t, "sub-lwt", ["-b", broker.url, "-u", "anna", "-E"], {
    env: { LWT_PASSWORD: "Hidden-1" },
  });
  assert.equal(await sub.exit(), 0, sub.stderr);

  const others = [
    "\ufeff# kept",
    "everyone",
    "  publish x",
    line("anna.b"),
    line("anna"),
    "  subscribe y",
    line("cem"),
  ];
  writeFileSync(file, others.join("\r\n"));
  chmodSync(file, 0o640);
  const replace = passwd("anna", "H\u00efdden-2\r\n");
  assert.equal(await replace.exit(), 0, replace.stderr);
  assert.equal((await replace.event("password-set")).added, false);
  const now = readFileSync(file, "utf8").split("\r\n");
  assert.match(now[4] ?? "", /^anna:\$scrypt\$/);
  assert.notEqual(now[4], others[4]);
  assert.deepEqual(now.toSpliced(4, 1), others.toSpliced(4, 1));
  const ben = passwd("ben", "Hidden-3");
  assert.equal(await ben.exit(), 0, ben.stderr);
  assert.deepEqual(readFileSync(file, "utf8").split("\r\n").slice(0, 7), now);
  if (process.platform !== "win32") assert.equal(statSync(file).mode & 0o777, 0o640);
  assert.deepEqual(readdirSync(folder), ["users.txt"]);
  await broker.process.event("users-read", { users: 4 });
  assert.equal(await broker.returnCode({ clientId: "new", userName: "anna", password: "H\u00efdden-2" }), 0);

  const wrong: [user: string, input: string, exit: number, says: RegExp][] = [
    ["dora", "\n", 2, /a password has 1 to 1024 bytes/],
    ["dora", "Hidden".repeat(200), 2, /a password has 1 to 1024 bytes/],
    ["dora", "", 130, /^$/],
    ["do:ra", "Hidden", 2, /the user name can't be: it has a colon/],
    ["#dora", "Hidden", 2, /begins with #/],
    ["", "Hidden", 2, /the user name can't be: it is empty/],
  ];
  const before = readFileSync(file);
  for (const [user, input, exit, says] of wrong) {
    const run = passwd(user, input);
    assert.equal(await run.exit(), exit, run.stderr);
    assert.match(run.stderr, says);
    assert.deepEqual(readFileSync(file), before);
    assert.doesNotMatch(run.stdout + run.stderr, /Hidden/);
  }
  const nowhere = command(t, "lwt-broker", ["passwd", path.join(folder, "none", "users.txt"), "x"], {
    input: "y",
  });
  assert.equal(await nowhere.exit(), 1);
  assert.match(nowhere.stderr, /users\.txt can't be written: /);
  for (const run of [add, replace, ben, broker.process])
    assert.doesNotMatch(run.stdout + run.stderr, /Hidden|H\u00efdden|scrypt/);
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
