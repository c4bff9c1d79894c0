import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import type { Limits } from "../../src/broker/limits/limits.js";
import type { QoS, Will } from "../../src/events/events.js";
import { ObservedBroker } from "../support/observed-broker.js";
import {
  connectPacket,
  DISCONNECT,
  field,
  type Packet,
  PacketType,
  PINGREQ,
  packet,
} from "../support/packets.js";
import { type RawClient } from "../support/raw-client.js";

/** Statements of MQTT 3.1.1 on connections, sessions and wills, byte by byte. */

type Case = [what: string, bytes: Buffer];

const CLEAN = 0x02;
const WILL = 0x04;
const WILL_RETAIN = 0x20;
const PASSWORD = 0x40;
const USER_NAME = 0x80;

interface ConnectParts {
  name?: string | Buffer;
  level?: number;
  flags?: number;
  /** The payload. */
  fields?: (string | Buffer)[];
}

/** A CONNECT as its parts say, right or wrong. */
const connectOf = ({ name = "MQTT", level = 4, flags = CLEAN, fields = ["client"] }: ConnectParts) => {
  const properties = level === 5 ? Buffer.of(0) : Buffer.alloc(0);
  return packet(0x10, field(name), Buffer.of(level, flags, 0, 0), properties, ...fields.map(field));
};

const publishOf = (topic: string, payload: string | Buffer, qos: QoS = 0, packetId = 1) =>
  packet(0x30 | (qos << 1), field(topic), Buffer.of(...(qos > 0 ? [0, packetId] : [])), Buffer.from(payload));
const subscribeOf = (filter: string, qos: QoS) =>
  packet(0x82, Buffer.of(0, 9), field(filter), Buffer.of(qos));
const unsubscribeOf = (filter: string) => packet(0xa2, Buffer.of(0, 8), field(filter));

/** Comes behind a packet that ends the connection, and is not to be done. */
const BEHIND = Buffer.concat([publishOf("behind", "behind"), PINGREQ]);

const will = (payload: string, topic = "will"): Will => ({ topic, payload, qos: 1, retain: false });
const types = ({ packets }: RawClient) => packets.items.map(({ type }: Packet) => type);

/** The payloads that had come to the watcher before a message of another client's that is sent now. */
async function receivedSoFar(broker: ObservedBroker, watcher: RawClient): Promise<string[]> {
  const publisher = await broker.connect("marker");
  await publisher.publish("marker", "marker", 1);
  return watcher.payloadsBefore("marker");
}

/** Each of these, as the first that a client sends, ends the connection without an answer, and nothing is done. */
async function endsWithoutAnswer(t: TestContext, cases: Case[]): Promise<void> {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("#");
  for (const [what, bytes] of cases) {
    const client = broker.send(Buffer.concat([bytes, BEHIND]));
    await client.ended(what);
    assert.deepEqual(types(client), [], what);
  }
  assert.deepEqual(await receivedSoFar(broker, watcher), []);
  const connected = broker.all("client-connected").map(({ clientId }) => clientId);
  assert.deepEqual(connected, ["watcher", "marker"]);
}

/** Each of these, sent by a connected client, ends the connection: its will is sent, and nothing else is done. */
async function endsConnection(t: TestContext, cases: Case[]): Promise<void> {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("#");
  for (const [i, [what, bytes]] of cases.entries()) {
    const client = await broker.connect(`client${i}`, { will: will(what) });
    client.socket.write(Buffer.concat([bytes, BEHIND]));
    await client.ended(what);
    assert.deepEqual(types(client), [PacketType.connack], what);
    await watcher.message(what);
  }
  const expected = cases.map(([what]) => what);
  assert.deepEqual(await receivedSoFar(broker, watcher), expected);
}

async function accepts(t: TestContext, cases: Case[], limits: Partial<Limits> = {}): Promise<void> {
  const broker = await ObservedBroker.start(t, { limits });
  for (const [what, bytes] of cases) {
    const client = broker.send(Buffer.concat([bytes, PINGREQ]));
    assert.deepEqual(await client.connack(), { sessionPresent: false, returnCode: 0 }, what);
    await client.packet(what, PacketType.pingresp);
    client.disconnect();
    await client.ended(what);
  }
}

/** CONNACK with that return code and session present 0, then the end; what is behind is not done [MQTT-3.1.4-5]. */
async function refusesWith(t: TestContext, returnCode: number, cases: Case[]): Promise<void> {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("#");
  for (const [what, bytes] of cases) {
    const client = broker.send(Buffer.concat([bytes, BEHIND]));
    await client.ended(what);
    const answers = client.packets.items.map(({ type, body }) => [type, ...body]);
    assert.deepEqual(answers, [[PacketType.connack, 0, returnCode]], what);
  }
  assert.deepEqual(await receivedSoFar(broker, watcher), []);
}

// 1.5.3: strings

const notUtf8: [what: string, bytes: number[]][] = [
  ["a surrogate", [0x61, 0xed, 0xa0, 0x80]],
  ["the last surrogate", [0xed, 0xbf, 0xbf]],
  ["half a character", [0x61, 0xf0, 0x9f, 0x98]],
  ["a byte that is no UTF-8", [0xff]],
  ["a character that is longer than need be", [0xc0, 0x80]],
  ["a number beyond Unicode", [0xf4, 0x90, 0x80, 0x80]],
];
const withNull: [what: string, bytes: number[]][] = [
  ["U+0000", [0]],
  ["U+0000 after a letter", [0x61, 0]],
  ["U+0000 before a letter", [0, 0x61]],
];
const stringFields: [clause: string, name: string, connect: (bytes: Buffer) => ConnectParts][] = [
  ["", "protocol name", name => ({ name })],
  [" [MQTT-3.1.3-4]", "client identifier", id => ({ fields: [id] })],
  [" [MQTT-3.1.3-10]", "will topic", topic => ({ flags: CLEAN | WILL, fields: ["client", topic, "will"] })],
  [" [MQTT-3.1.3-11]", "user name", name => ({ flags: CLEAN | USER_NAME, fields: ["client", name] })],
];
for (const [clause, name, parts] of stringFields) {
  const cases = (bad: [string, number[]][]) =>
    bad.map(([what, bytes]): Case => [what, connectOf(parts(Buffer.from(bytes)))]);
  test(`[MQTT-1.5.3-1]${clause} a ${name} that is not UTF-8: no CONNACK, and the end`, t =>
    endsWithoutAnswer(t, cases(notUtf8)));
  test(`[MQTT-1.5.3-2]${clause} a ${name} with U+0000: no CONNACK, and the end`, t =>
    endsWithoutAnswer(t, cases(withNull)));
}

test("[MQTT-1.5.3-3] U+FEFF at the beginning of a client identifier and of a will topic is a character like any other", async t => {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("#");
  const marked = await broker.connect("\ufeffward", { will: will("marked", "\ufeffwill") });
  const plain = await broker.connect("ward");
  await plain.ping();
  await marked.ping();
  marked.socket.resetAndDestroy();
  assert.equal((await watcher.message("marked")).topic, "\ufeffwill");
  await plain.ping();
});

test("a password and a will message are bytes, whatever they are", async t => {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("#");
  for (const [i, [what, numbers]] of [...notUtf8, ...withNull].entries()) {
    const topic = `will/${i}`;
    const bytes = Buffer.from(numbers);
    const fields = ["client", topic, bytes, "name", bytes];
    const client = broker.send(connectOf({ flags: CLEAN | WILL | USER_NAME | PASSWORD, fields }));
    assert.equal((await client.connack()).returnCode, 0, what);
    client.socket.resetAndDestroy();
    await watcher.publishes.waitFor(what, all => all.find(each => each.topic === topic));
    const sent = watcher.packets.items.findLast(({ type }) => type === PacketType.publish);
    assert.deepEqual(sent?.body, Buffer.concat([field(topic), bytes]));
  }
});

// 2.2.2: flags of the fixed header

const reservedFlags: [name: string, type: number, flags: number, rest: Buffer][] = [
  ["PUBACK", 4, 0, Buffer.of(0, 1)],
  ["PUBREC", 5, 0, Buffer.of(0, 1)],
  ["PUBREL", 6, 2, Buffer.of(0, 1)],
  ["PUBCOMP", 7, 0, Buffer.of(0, 1)],
  ["SUBSCRIBE", 8, 2, subscribeOf("a", 0).subarray(2)],
  ["UNSUBSCRIBE", 10, 2, unsubscribeOf("a").subarray(2)],
  ["PINGREQ", 12, 0, Buffer.alloc(0)],
  ["DISCONNECT", 14, 0, Buffer.alloc(0)],
];
/** With every value of the flags but the right one. */
const wrongFlags = (name: string, type: number, right: number, rest: Buffer) =>
  Array.from({ length: 16 }, (_, flags) => flags)
    .filter(flags => flags !== right)
    .map((flags): Case => [`${name} with flags ${flags}`, packet((type << 4) | flags, rest)]);
for (const [name, type, flags, rest] of reservedFlags) {
  const clause = name === "DISCONNECT" ? " [MQTT-3.14.1-1]" : "";
  test(`[MQTT-2.2.2-2]${clause} ${name} with wrong flags: the connection ends, and the will is sent`, t =>
    endsConnection(t, wrongFlags(name, type, flags, rest)));
}

test("[MQTT-2.2.2-2] CONNECT with wrong flags in its fixed header: no CONNACK, and the end", t =>
  endsWithoutAnswer(t, wrongFlags("CONNECT", 1, 0, connectOf({}).subarray(2))));

test("[MQTT-2.2.2-1] what the broker sends has the flags of its type, also when it is sent again", async t => {
  const broker = await ObservedBroker.start(t);
  const client = await broker.connect("client", { clean: false, hold: true });
  await client.subscribe("a", 2);
  for (const qos of [0, 1, 2] as const) await client.publish("a", `at ${qos}`, qos);
  const packetId = (await client.message("at 2")).packetId ?? 0;
  client.acknowledge(PacketType.pubrec, packetId);
  await client.packet("PUBREL", PacketType.pubrel, packetId);
  await client.unsubscribe("a");
  await broker.dropped(client, "client");
  const again = await broker.connect("client", { clean: false });
  await again.packet("PUBREL again", PacketType.pubrel, packetId);

  const sent = [...client.packets.items, ...again.packets.items];
  for (const { type, flags } of sent)
    if (type !== PacketType.publish) assert.equal(flags, type === PacketType.pubrel ? 2 : 0, `type ${type}`);
  const seen = [...new Set(sent.map(({ type }) => type))].toSorted((x, y) => x - y);
  assert.deepEqual(seen, Object.values(PacketType));
});

// 3.1: CONNECT

test("[MQTT-3.1.0-1] a first packet that is no CONNECT: no answer, and the end, though a CONNECT follows", t => {
  const first: Case[] = [
    ["PUBLISH at QoS 0", publishOf("first", "first")],
    ["PUBLISH at QoS 1", publishOf("first", "first", 1)],
    ["PUBLISH at QoS 2", publishOf("first", "first", 2)],
    ["SUBSCRIBE", subscribeOf("#", 1)],
    ["UNSUBSCRIBE", unsubscribeOf("#")],
    ["PINGREQ", PINGREQ],
    ["DISCONNECT", DISCONNECT],
    ...[4, 5, 6, 7].map((type): Case => {
      const flags = type === PacketType.pubrel ? 2 : 0;
      return [`an acknowledgment of type ${type}`, packet((type << 4) | flags, Buffer.of(0, 1))];
    }),
    ["CONNACK", packet(0x20, Buffer.of(0, 0))],
    ["nothing of MQTT", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
  ];
  return endsWithoutAnswer(
    t,
    first.map(([what, bytes]) => [what, Buffer.concat([bytes, connectOf({})])]),
  );
});

test("[MQTT-3.1.0-2] a second CONNECT, of whatever identifier: the connection ends, the first will is sent, the second is not", async t => {
  const other = { flags: CLEAN | WILL, fields: ["other", "will", "second will"] };
  await endsConnection(t, [
    ["the same identifier", connectPacket({ clientId: "client0", will: will("second will") })],
    ["another identifier", connectOf(other)],
    ["clean session 0", connectPacket({ clientId: "client2", clean: false })],
    ["another version", connectPacket({ clientId: "client3", protocolLevel: 5 })],
  ]);
});

test("[MQTT-3.1.0-2] a second CONNECT that does not wait for CONNACK: one CONNACK at most, and the end", async t => {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("#");
  const other = await broker.connect("other");
  const client = broker.start("client", {}, Buffer.concat([connectPacket({ clientId: "other" }), BEHIND]));
  await client.ended();
  assert.ok(client.packets.items.length <= 1);
  await other.ping();
  assert.deepEqual(await receivedSoFar(broker, watcher), []);
});

const wrongNames = [
  "mqtt",
  "MQT",
  "MQTTT",
  "MQTT ",
  "",
  "HTTP",
  "MQISDP",
  "MQIsdpX",
  "constructor",
  "__proto__",
];
test("[MQTT-3.1.2-1] a wrong protocol name: no CONNACK, and the end", t =>
  endsWithoutAnswer(
    t,
    wrongNames.map(name => [`name "${name}"`, connectOf({ name })]),
  ));

test("[MQTT-3.1.2-1] MQTT 3.1 by its name and its level, MQIsdp and 3, is served", t =>
  accepts(t, [["MQIsdp 3", connectOf({ name: "MQIsdp", level: 3 })]]));

for (const level of [4, 5])
  test(`[MQTT-3.1.2-1] the name MQIsdp with level ${level}: no connection`, async t => {
    const broker = await ObservedBroker.start(t);
    const watcher = await broker.watcher("#");
    const client = broker.send(Buffer.concat([connectOf({ name: "MQIsdp", level }), BEHIND, DISCONNECT]));
    await client.ended();
    const accepted = client.packets.items.some(({ type, body }) => type === PacketType.connack && !body[1]);
    assert.equal(accepted, false);
    assert.deepEqual(await receivedSoFar(broker, watcher), []);
  });

test("[MQTT-3.1.2-2] [MQTT-3.1.4-5] MQTT 5: CONNACK with return code 1, the end, and nothing done", t =>
  refusesWith(t, 1, [
    ["alone", connectPacket({ clientId: "client", protocolLevel: 5 })],
    ["with a will", connectPacket({ clientId: "client", protocolLevel: 5, will: will("will") })],
    ["to be resumed", connectPacket({ clientId: "client", protocolLevel: 5, clean: false })],
  ]));

for (const level of [1, 2, 3, 7, 127, 128, 131, 132, 133, 255])
  test(`[MQTT-3.1.2-2] [MQTT-3.1.4-5] the name MQTT with level ${level}: CONNACK with return code 1, the end, and nothing done`, t =>
    refusesWith(t, 1, [[`level ${level}`, connectOf({ level })]]));

test("[MQTT-3.1.2-3] the reserved flag of CONNECT: no CONNACK, and the end", t =>
  endsWithoutAnswer(t, [
    ["with clean session 1", connectOf({ flags: CLEAN | 1 })],
    ["with clean session 0", connectOf({ flags: 1 })],
    ["with a will", connectOf({ flags: CLEAN | WILL | 1, fields: ["client", "will", "will"] })],
  ]));

const endings: [how: string, end: (client: RawClient) => unknown][] = [
  ["DISCONNECT", client => client.disconnect()],
  ["a closed connection", client => client.socket.end()],
  ["a reset", client => client.socket.resetAndDestroy()],
  ["a packet that is forbidden", client => client.socket.write(Buffer.of(0, 0))],
];
for (const [how, end] of endings) {
  test(`[MQTT-3.1.2-4] after ${how}, clean session 0 finds its subscriptions at their QoS`, async t => {
    const broker = await ObservedBroker.start(t);
    const first = await broker.connect("sub", { clean: false });
    for (const qos of [0, 1, 2] as const) await first.subscribe(`a/${qos}`, qos);
    end(first);
    await broker.event("session-stored", "sub");
    const second = await broker.connect("sub", { clean: false });
    const publisher = await broker.connect("publisher");
    for (const qos of [0, 1, 2]) await publisher.publish(`a/${qos}`, `${qos}`, 2);
    for (const qos of [0, 1, 2]) assert.equal((await second.message(`${qos}`)).qos, qos);
  });

  test(`[MQTT-3.1.2-5] after ${how}, QoS 1 and 2 are kept for the subscriptions of that time`, async t => {
    const broker = await ObservedBroker.start(t);
    const first = await broker.connect("sub", { clean: false });
    await first.subscribe("a/1", 1);
    await first.subscribe("a/2", 2);
    await first.subscribe("a/none", 2);
    await first.unsubscribe("a/none");
    end(first);
    await broker.event("session-stored", "sub");
    const publisher = await broker.connect("publisher");
    for (const topic of ["a/none", "a/1", "a/2", "a/1"]) await publisher.publish(topic, topic, 2);
    const second = await broker.connect("sub", { clean: false });
    await publisher.publish("a/1", "end", 1);
    assert.deepEqual(await second.payloadsBefore("end"), ["a/1", "a/2", "a/1"]);
    const qos = second.publishes.items.map(each => each.qos);
    assert.deepEqual(qos.slice(0, -1), [1, 2, 1]);
  });
}

test("[MQTT-3.1.2-4] a connection that takes over a stored session has its subscriptions", async t => {
  const broker = await ObservedBroker.start(t);
  const first = await broker.connect("sub", { clean: false });
  await first.subscribe("a", 1);
  const second = broker.start("sub", { clean: false });
  assert.deepEqual(await second.connack(), { sessionPresent: true, returnCode: 0 });
  await first.ended();
  const publisher = await broker.connect("publisher");
  await publisher.publish("a", "x", 1);
  assert.equal((await second.message("x")).qos, 1);
  assert.deepEqual(first.publishes.items, []);
});

for (const [first, second] of [
  [false, true],
  [true, false],
  [true, true],
] as const)
  for (const away of [true, false]) {
    const kind = (clean: boolean) => `clean session ${clean ? 1 : 0}`;
    const when = away ? "that ended" : "that is taken over";
    test(`[MQTT-3.1.2-6] [MQTT-3.1.4-3] ${kind(second)} after ${kind(first)} ${when}: no queue, no subscriptions`, async t => {
      const broker = await ObservedBroker.start(t);
      const publisher = await broker.connect("publisher");
      const old = await broker.connect("sub", { clean: first, hold: true });
      await old.subscribe("a", 2);
      await publisher.publish("a", "in flight", 1);
      await old.message("in flight");
      if (away) {
        old.socket.resetAndDestroy();
        await broker.event("client-disconnected", "sub");
        await publisher.publish("a", "queued", 2);
      }
      const client = broker.start("sub", { clean: second });
      assert.deepEqual(await client.connack(), { sessionPresent: false, returnCode: 0 });
      await publisher.publish("a", "after CONNACK", 1);
      await client.subscribe("b", 1);
      await publisher.publish("b", "marker", 1);
      assert.deepEqual(await client.payloadsBefore("marker"), []);

      // Nor does a later session have them.
      client.disconnect();
      await broker.event("client-disconnected", "sub", 2);
      await publisher.publish("a", "away", 1);
      const later = broker.start("sub", { clean: false });
      assert.equal((await later.connack()).sessionPresent, !second);
      await later.subscribe("b", 1);
      await publisher.publish("b", "second marker", 1);
      const payloads = await later.payloadsBefore("second marker");
      assert.deepEqual(payloads, []);
    });
  }

/** Sends a QoS 2 message, and no PUBREL for it; then the connection ends. */
async function leaveUnreleased(broker: ObservedBroker, watcher: RawClient, clean: boolean): Promise<void> {
  const client = await broker.connect("pub", { clean });
  client.socket.removeAllListeners("data").resume();
  client.socket.write(publishOf("a", "first", 2, 7));
  await watcher.message("first");
  client.socket.resetAndDestroy();
  await broker.event("client-disconnected", "pub");
}

for (const [first, second] of [
  [false, true],
  [true, false],
  [true, true],
] as const)
  test(`[MQTT-3.1.2-6] a QoS 2 packet identifier that clean session ${first ? 1 : 0} did not release is free for clean session ${second ? 1 : 0}`, async t => {
    const broker = await ObservedBroker.start(t);
    const watcher = await broker.watcher("#");
    await leaveUnreleased(broker, watcher, first);
    const client = await broker.connect("pub", { clean: second });
    client.socket.write(publishOf("a", "second", 2, 7));
    await client.packet("PUBCOMP", PacketType.pubcomp, 7);
    assert.deepEqual(await receivedSoFar(broker, watcher), ["first", "second"]);
  });

for (const clean of [true, false])
  test(`[MQTT-3.1.2-7] a retained message stays when the session of its sender ends: clean session ${clean ? 1 : 0}`, async t => {
    const broker = await ObservedBroker.start(t);
    const sender = await broker.connect("sender", { clean });
    await sender.publish("a", "kept", 1, true);
    sender.disconnect();
    await broker.event("client-disconnected", "sender");
    const last = await broker.connect("sender");
    last.disconnect();
    await broker.event("client-disconnected", "sender", 2);
    if (!clean) assert.equal(broker.all("session-ended", "sender").length, 1);
    const watcher = await broker.watcher("a");
    const kept = await watcher.message("kept");
    assert.deepEqual([kept.qos, kept.retain], [1, true]);
  });

// Wills

for (const qos of [0, 1, 2] as const)
  for (const retain of [false, true]) {
    const clause = retain ? "[MQTT-3.1.2-17]" : "[MQTT-3.1.2-16]";
    test(`[MQTT-3.1.2-9] ${clause} a will at QoS ${qos} with will retain ${retain ? 1 : 0} is published so`, async t => {
      const broker = await ObservedBroker.start(t);
      const watcher = await broker.watcher("will/+", 2);
      const publisher = await broker.connect("publisher");
      await publisher.publish("will/ward", "before", 1, true);
      const client = await broker.connect("ward", { will: { ...will("gone", "will/ward"), qos, retain } });
      assert.deepEqual(await watcher.payloadsBefore("before"), []);
      client.socket.resetAndDestroy();
      const live = await watcher.message("gone");
      assert.deepEqual([live.topic, live.qos, live.retain, live.dup], ["will/ward", qos, false, false]);
      const late = await broker.connect("late");
      await late.subscribe("will/#", 2);
      const kept = await late.message(retain ? "gone" : "before");
      assert.deepEqual([kept.qos, kept.retain], [retain ? qos : 1, true]);
      await publisher.publish("will/end", "end", 1);
      assert.deepEqual(await late.payloadsBefore("end"), [kept.payload]);
      assert.deepEqual(await watcher.payloadsBefore("end"), ["before", "gone"]);
    });
  }

test("[MQTT-3.1.2-9] a will message may be empty; with will retain it clears", async t => {
  const broker = await ObservedBroker.start(t);
  const publisher = await broker.connect("publisher");
  await publisher.publish("will", "kept", 1, true);
  const watcher = await broker.watcher("#");
  await watcher.message("kept");
  const client = await broker.connect("ward", { will: { ...will(""), retain: true } });
  client.socket.resetAndDestroy();
  assert.equal((await watcher.message("")).topic, "will");
  const late = await broker.connect("late");
  await late.subscribe("will", 1);
  await late.subscribe("marker", 1);
  assert.deepEqual(await receivedSoFar(broker, late), []);
});

test("[MQTT-3.1.2-9] will flag 1 without its fields: no CONNACK, and the end", t =>
  endsWithoutAnswer(t, [
    ["no will topic", connectOf({ flags: CLEAN | WILL })],
    ["no will message", connectOf({ flags: CLEAN | WILL, fields: ["client", "will"] })],
  ]));

for (const how of ["was published", "was discarded at DISCONNECT"])
  test(`[MQTT-3.1.2-10] [MQTT-3.1.2-12] a will that ${how} is not published by a later connection without one`, async t => {
    const broker = await ObservedBroker.start(t);
    const watcher = await broker.watcher("#");
    const published = how === "was published";
    const first = await broker.connect("ward", { clean: false, will: will("first") });
    if (published) first.socket.resetAndDestroy();
    else first.disconnect();
    await broker.event(published ? "will-published" : "will-discarded", "ward");
    for (const [i, [, end]] of endings.entries()) {
      end(await broker.connect("ward", { clean: false }));
      await broker.event("client-disconnected", "ward", i + 2);
    }
    assert.deepEqual(await receivedSoFar(broker, watcher), published ? ["first"] : []);
  });

const willQos = (qos: number) => qos << 3;
test("[MQTT-3.1.2-11] [MQTT-3.1.2-13] [MQTT-3.1.2-15] will flag 0 with will QoS, will retain or will fields: no CONNACK, and the end", t =>
  endsWithoutAnswer(t, [
    ...[1, 2, 3].map((qos): Case => [`will QoS ${qos}`, connectOf({ flags: CLEAN | willQos(qos) })]),
    ["will retain", connectOf({ flags: CLEAN | WILL_RETAIN })],
    ["both", connectOf({ flags: CLEAN | WILL_RETAIN | willQos(1) })],
    ["will fields", connectOf({ fields: ["client", "will", "will"] })],
  ]));

test("[MQTT-3.1.2-14] will QoS 3: no CONNACK, the end, and no will", t => {
  const fields = ["client", "will", "will"];
  return endsWithoutAnswer(t, [
    ["not retained", connectOf({ flags: CLEAN | WILL | willQos(3), fields })],
    ["retained", connectOf({ flags: CLEAN | WILL | WILL_RETAIN | willQos(3), fields })],
  ]);
});

test("[MQTT-3.2.2-6] a will on a topic that no client may publish to: no CONNACK, the end, and no will", t =>
  endsWithoutAnswer(
    t,
    ["$SYS/will", "$SYS/broker/clients", "$SYS/", "will/+", "#", "will/#", ""].map((topic): Case => {
      const connect = { clientId: "client", will: { ...will("will", topic), retain: true } };
      return [`will topic "${topic}"`, connectPacket(connect)];
    }),
  ));

test("a will on a topic below $SYS: whoever asks for that topic by its name gets nothing, live or retained", async t => {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.connect("watcher");
  for (const filter of ["$SYS/will", "marker"]) await watcher.subscribe(filter, 1);
  const client = broker.start("client", { will: { ...will("will", "$SYS/will"), retain: true } });
  await client.ended();
  await watcher.subscribe("$SYS/will", 1);
  assert.deepEqual(await receivedSoFar(broker, watcher), []);
});

for (const qos of [1, 2] as const) {
  test(`a will at QoS ${qos} that is due at a takeover reaches the connection that took over`, async t => {
    const broker = await ObservedBroker.start(t);
    const first = await broker.connect("ward", { clean: false, will: { ...will("first"), qos } });
    await first.subscribe("will", 2);
    const second = broker.start("ward", { clean: false, will: { ...will("second"), qos } });
    assert.equal((await second.connack()).sessionPresent, true);
    assert.equal((await second.message("first")).qos, qos);
    const publisher = await broker.connect("publisher");
    await publisher.publish("will", "marker", 1);
    assert.deepEqual(await second.payloadsBefore("marker"), ["first"]);
    assert.deepEqual(first.publishes.items, []);
  });

  test(`a will at QoS ${qos} waits in the queue of its own client`, async t => {
    const broker = await ObservedBroker.start(t);
    const first = await broker.connect("ward", { clean: false, will: { ...will("own"), qos } });
    await first.subscribe("will", 2);
    await broker.dropped(first, "ward");
    await broker.event("will-published", "ward");
    const second = await broker.connect("ward", { clean: false });
    assert.equal((await second.message("own")).qos, qos);
  });
}

test("a retained will that is due at a takeover is there when the connection that took over subscribes", async t => {
  const broker = await ObservedBroker.start(t);
  await broker.connect("ward", { will: { ...will("first"), retain: true } });
  const second = await broker.connect("ward", { will: will("second") });
  await second.subscribe("will", 1);
  assert.equal((await second.message("first")).retain, true);
});

// User name and password

const both = CLEAN | USER_NAME | PASSWORD;
test("[MQTT-3.1.2-18] [MQTT-3.1.2-20] a user name or password without its flag: no CONNACK, and the end", t =>
  endsWithoutAnswer(t, [
    ["[MQTT-3.1.2-18] a user name", connectOf({ fields: ["client", "name"] })],
    ["[MQTT-3.1.2-18] both", connectOf({ fields: ["client", "name", "secret"] })],
    [
      "[MQTT-3.1.2-20] a password",
      connectOf({ flags: CLEAN | USER_NAME, fields: ["client", "name", "secret"] }),
    ],
  ]));

test("[MQTT-3.1.2-19] [MQTT-3.1.2-21] a flag without its user name or password: no CONNACK, and the end", t =>
  endsWithoutAnswer(t, [
    ["[MQTT-3.1.2-19] no user name", connectOf({ flags: CLEAN | USER_NAME })],
    ["[MQTT-3.1.2-21] no password", connectOf({ flags: both, fields: ["client", "name"] })],
    ["neither", connectOf({ flags: both })],
  ]));

test("[MQTT-3.1.2-22] a password flag without a user name flag: no CONNACK, and the end", t =>
  endsWithoutAnswer(t, [
    ["with a password", connectOf({ flags: CLEAN | PASSWORD, fields: ["client", "secret"] })],
    ["with an empty one", connectOf({ flags: CLEAN | PASSWORD, fields: ["client", ""] })],
    ["with none", connectOf({ flags: CLEAN | PASSWORD })],
  ]));

test("[MQTT-3.1.2-19] [MQTT-3.1.2-21] user name and password where their flags say so, empty or not", t =>
  accepts(t, [
    ["a user name", connectPacket({ clientId: "client", userName: "name" })],
    ["an empty user name", connectPacket({ clientId: "client", userName: "" })],
    ["both", connectPacket({ clientId: "client", userName: "name", password: "secret" })],
    ["both empty", connectPacket({ clientId: "client", userName: "", password: "" })],
  ]));

// Keep alive

test("[MQTT-3.1.2-24] after one and a half times the keep alive without a packet from the client: its will; and 0 is off", async t => {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("#");
  const talking: Case[] = [
    ["PUBLISH at QoS 0", publishOf("a", "x")],
    ["PUBLISH at QoS 1", publishOf("a", "x", 1)],
    ["PUBLISH at QoS 2", publishOf("a", "x", 2)],
    ["SUBSCRIBE", subscribeOf("b", 1)],
    ["UNSUBSCRIBE", unsubscribeOf("b")],
    ["PINGREQ", PINGREQ],
    ["PUBREL", packet(0x62, Buffer.of(0, 99))],
  ];
  const silent: Case[] = [
    ["nothing", Buffer.alloc(0)],
    ["half a packet", Buffer.of(0x30)],
  ];
  const off = await broker.connect("off", { keepAlive: 0, will: will("will of who need not talk") });
  const punctual = await broker.connect("punctual", { keepAlive: 1, will: will("will of who is punctual") });
  const run = async ([what, bytes]: Case) => {
    const client = await broker.connect(what, { keepAlive: 1, will: will(`will of ${what}`) });
    await client.subscribe("received", 0);
    await setTimeout(600);
    const sent = performance.now();
    client.socket.write(bytes);
    // What the client receives is not what it sends.
    await watcher.publish("received", "received", 1);
    await client.message("received");
    const end = await broker.event("client-disconnected", what);
    assert.equal(end.cause, "keep-alive-timeout", what);
    await client.ended(what);
    await watcher.message(`will of ${what}`);
    return performance.now() - sent;
  };
  const pings = async () => {
    for (const _ of [1, 2, 3, 4]) {
      await setTimeout(500);
      await punctual.ping();
    }
  };
  const [, afterTalking, afterSilence] = await Promise.all([
    pings(),
    Promise.all(talking.map(run)),
    Promise.all(silent.map(run)),
  ]);
  for (const time of afterTalking) assert.ok(time >= 1400, `${time} ms after a packet`);
  for (const time of afterSilence) assert.ok(time >= 800, `${time} ms, and none`);
  assert.ok(
    Math.max(...afterSilence) < Math.min(...afterTalking),
    `${afterSilence.join()}; ${afterTalking.join()}`,
  );
  await punctual.ping();
  await off.ping();
});

// The payload of CONNECT, and client identifiers

test("[MQTT-3.1.3-1] [MQTT-3.1.3-3] the fields of the payload: identifier, will topic, will message, user name, password", async t => {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("#");
  const fields = ["1st", "2nd", "3rd", "4th", "5th"];
  const client = broker.send(connectOf({ flags: both | WILL | willQos(1), fields }));
  await client.connack();
  await broker.event("client-connected", "1st");
  client.socket.resetAndDestroy();
  assert.equal((await watcher.message("3rd")).topic, "2nd");
});

test("[MQTT-3.1.3-3] no client identifier: no CONNACK, and the end", t =>
  endsWithoutAnswer(t, [
    ["no payload", connectOf({ fields: [] })],
    ["half of its length", packet(0x10, field("MQTT"), Buffer.of(4, CLEAN, 0, 0), Buffer.of(0))],
    [
      "less than its length",
      packet(0x10, field("MQTT"), Buffer.of(4, CLEAN, 0, 0), field("client").subarray(0, -1)),
    ],
  ]));

test("[MQTT-3.1.3-2] the state belongs to the identifier: ones that differ in little are different clients", async t => {
  const long = "x".repeat(65_534);
  const ids = ["ward", "Ward", "ward ", " ward", "war", "ward1", "wärd", "wa\u0308rd", "ward/#", "+", "$SYS"];
  ids.push(`${long}1`, `${long}2`, "1", "01", "__proto__");
  const broker = await ObservedBroker.start(t, { limits: { "client-id-bytes": 65_535 } });
  for (const id of ids) {
    const client = broker.start(id, { clean: false });
    assert.deepEqual(await client.connack(), { sessionPresent: false, returnCode: 0 }, id);
    await client.subscribe("a", 1);
  }
  const connected = broker.all("client-connected").map(({ clientId }) => clientId);
  assert.deepEqual(connected, ids);
  assert.deepEqual(broker.all("client-disconnected"), []);
  for (const id of ids) {
    const client = broker.start(id, { clean: false });
    assert.equal((await client.connack()).sessionPresent, true, id);
  }
});

test("[MQTT-3.1.3-5] identifiers of 1 to 23 letters and digits", async t => {
  const letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  const single = letters.split("");
  const lengths = single.slice(0, 23).map((_, i) => letters.slice(i, i + i + 1));
  const own = ["constructor", "toString", "valueOf", "hasOwnProperty", "isPrototypeOf"];
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("will");
  const ids = [...new Set([...single, ...lengths, ...own])];
  for (const clientId of ids) {
    const client = await broker.connect(clientId, { will: will(clientId) });
    await client.ping();
    client.socket.resetAndDestroy();
    await watcher.message(clientId);
    const stored = broker.start(clientId, { clean: false });
    assert.equal((await stored.connack()).sessionPresent, false, clientId);
  }
});

test("[MQTT-3.1.3-5] MQTT 3.1 too: identifiers of 1 to 23 characters; [MQTT-3.1.3-9] another one: return code 2, and the end", async t => {
  const connect = (length: number) => connectOf({ name: "MQIsdp", level: 3, fields: ["x".repeat(length)] });
  await accepts(
    t,
    [1, 22, 23].map(length => [`${length} characters`, connect(length)]),
  );
  await refusesWith(
    t,
    2,
    [0, 24, 100].map(length => [`${length} characters`, connect(length)]),
  );
});

test("[MQTT-3.1.3-5] longer identifiers are accepted, up to what a string can hold", t =>
  accepts(
    t,
    [24, 100, 1000, 65_535].map(length => [
      `${length} characters`,
      connectPacket({ clientId: "x".repeat(length) }),
    ]),
    { "client-id-bytes": 65_535 },
  ));

test("[MQTT-3.1.3-6] clients with an empty identifier get unique ones, and are served like any other", async t => {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("will");
  const clients = await Promise.all(
    Array.from({ length: 10 }, (_, i) => broker.connect("", { will: will(`will ${i}`) })),
  );
  for (const client of clients) await client.subscribe("a", 1);
  const ids = broker.all("client-connected").map(({ clientId }) => clientId);
  assert.equal(new Set(ids).size, 11);
  assert.ok(!ids.includes(""));
  await watcher.publish("a", "x", 1);
  for (const client of clients) await client.message("x");
  for (const [i, client] of clients.entries()) {
    client.socket.resetAndDestroy();
    await watcher.message(`will ${i}`);
  }
  const published = broker.all("will-published").map(({ clientId }) => clientId);
  assert.deepEqual(published.toSorted(), ids.filter(id => id !== "watcher").toSorted());
});

test("[MQTT-3.1.3-7] [MQTT-3.1.3-9] [MQTT-3.1.4-5] an empty identifier with clean session 0: return code 2, the end, and nothing done", t =>
  refusesWith(t, 2, [
    ["alone", connectOf({ flags: 0, fields: [""] })],
    ["with a will", connectPacket({ clientId: "", clean: false, will: will("will") })],
  ]));

// 3.1.4: the response

test("[MQTT-3.1.4-1] a CONNECT that does not conform: no CONNACK, and the end, though what follows would make it whole", t => {
  const head = (level = 4, flags = CLEAN) => Buffer.concat([field("MQTT"), Buffer.of(level, flags, 0, 0)]);
  // Read as a field, it is a string of some 12 500 letters, and there are more of them.
  const more = publishOf("x".repeat(0x2121), "x".repeat(7000));
  return endsWithoutAnswer(t, [
    ["nothing in it", packet(0x10)],
    ["no flags", packet(0x10, field("MQTT"), Buffer.of(4))],
    ["no keep alive", packet(0x10, field("MQTT"), Buffer.of(4, CLEAN))],
    ["half a name", packet(0x10, field("MQTT").subarray(0, 4))],
    ["half a keep alive", packet(0x10, field("MQTT"), Buffer.of(4, CLEAN, 0))],
    ["a byte too many", packet(0x10, head(), field("client"), Buffer.of(0))],
    ["a packet too many", packet(0x10, head(), field("client"), PINGREQ)],
    ["no identifier", Buffer.concat([packet(0x10, head()), more])],
    [
      "no will message",
      Buffer.concat([packet(0x10, head(4, CLEAN | WILL), field("client"), field("will")), more]),
    ],
    ["no user name", Buffer.concat([packet(0x10, head(4, CLEAN | USER_NAME), field("client")), more])],
    ["no password", Buffer.concat([packet(0x10, head(4, both), field("client"), field("name")), more])],
    ["a length of five bytes", Buffer.of(0x10, 0x80, 0x80, 0x80, 0x80, 0x01)],
  ]);
});

test("[MQTT-3.1.4-1] a CONNECT without a level: no CONNACK, and the end", t =>
  endsWithoutAnswer(t, [["no level", packet(0x10, field("MQTT"))]]));

test("[MQTT-3.1.4-2] a CONNECT that is refused does not end the connection that has its identifier, nor its session", async t => {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("#");
  const first = await broker.connect("ward", { clean: false, will: will("will") });
  await first.subscribe("a", 1);
  const refused: Case[] = [
    ["MQTT 5", connectPacket({ clientId: "ward", protocolLevel: 5 })],
    ["level 6", connectOf({ level: 6, fields: ["ward"] })],
    ["a will below $SYS", connectPacket({ clientId: "ward", will: will("will", "$SYS/will") })],
    ["a byte too many", connectOf({ fields: ["ward", ""] })],
    ["a wrong name", connectOf({ name: "mqtt", fields: ["ward"] })],
  ];
  for (const [what, bytes] of refused) {
    await broker.send(bytes).ended(what);
    await first.ping();
  }
  await watcher.publish("a", "x", 1);
  await first.message("x");
  first.disconnect();
  await broker.event("session-stored", "ward");
  for (const [what, bytes] of refused) await broker.send(bytes).ended(what);
  const again = broker.start("ward", { clean: false });
  assert.equal((await again.connack()).sessionPresent, true);
  assert.deepEqual(await receivedSoFar(broker, watcher), ["x"]);
});

test("[MQTT-3.1.4-2] three connections of one identifier: the last stays, the others are taken over, and their wills are sent", async t => {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("will");
  const [first, second, third] = [
    await broker.connect("ward", { will: will("first") }),
    await broker.connect("ward", { will: will("second") }),
    await broker.connect("ward", { will: will("third") }),
  ];
  await Promise.all([first.ended(), second.ended()]);
  await third.ping();
  await watcher.message("second");
  const causes = broker.all("client-disconnected", "ward").map(({ cause }) => cause);
  assert.deepEqual(causes, ["taken-over", "taken-over"]);
  third.socket.resetAndDestroy();
  assert.deepEqual(await watcher.payloadsBefore("third"), ["first", "second"]);
  const published = broker.all("will-published", "ward").map(({ cause }) => cause);
  assert.deepEqual(published.slice(0, 2), ["taken-over", "taken-over"]);
});

for (const clean of [true, false])
  test(`[MQTT-3.1.4-2] three connections of one identifier at the same moment, clean session ${clean ? 1 : 0}: one stays, and each other one that had a CONNACK has its will sent`, async t => {
    const broker = await ObservedBroker.start(t);
    const watcher = await broker.watcher("#");
    const expected: string[] = [];
    for (let round = 0; round < 20; round++) {
      const id = `ward${round}`;
      const clients = [1, 2, 3].map(i => ({
        name: `${id}.${i}`,
        client: broker.start(id, { clean, will: will(`${id}.${i}`) }),
      }));
      const open = new Set(clients);
      while (open.size > 1) {
        const ends = Array.from(open, each => each.client.ended(each.name).then(() => each));
        open.delete(await Promise.race(ends));
      }
      const [stays] = open;
      await stays?.client.connack();
      await stays?.client.ping();
      const left = clients.filter(each => each !== stays && types(each.client).length > 0);
      expected.push(...left.map(({ name }) => name));
      for (const { name } of left) await watcher.message(name);
      const causes = broker.all("client-disconnected", id).map(({ cause }) => cause);
      assert.deepEqual(
        causes,
        left.map(() => "taken-over"),
      );
    }
    assert.deepEqual((await receivedSoFar(broker, watcher)).toSorted(), expected.toSorted());
  });

test("[MQTT-3.1.4-4] [MQTT-3.2.0-1] CONNACK comes before anything else, and once", async t => {
  const broker = await ObservedBroker.start(t);
  const publisher = await broker.connect("publisher");
  await publisher.publish("kept", "kept", 1, true);
  const first = await broker.connect("sub", { clean: false });
  await first.subscribe("a", 1);
  await broker.dropped(first, "sub");
  for (let round = 1; round <= 20; round++) {
    await publisher.publish("a", `queued ${round}`, 1);
    // It waits for nothing, and messages come in at the same time.
    const more = [subscribeOf("kept", 1), publishOf("a", `own ${round}`, 1), PINGREQ];
    const client = broker.start("sub", { clean: false }, Buffer.concat(more));
    const live = Promise.all([1, 2, 3].map(i => publisher.publish("a", `live ${round}.${i}`, 1)));
    await client.packet("PINGRESP", PacketType.pingresp);
    for (const payload of [`queued ${round}`, `own ${round}`, `live ${round}.3`, "kept"])
      await client.message(payload);
    await live;
    await client.ping();
    const connacks = client.packets.items.filter(({ type }) => type === PacketType.connack);
    assert.deepEqual(client.packets.items[0], { type: 2, flags: 0, body: Buffer.of(1, 0) });
    assert.equal(connacks.length, 1);
    await broker.dropped(client, "sub", round + 1);
  }
});

test("[MQTT-3.1.4-5] what follows a CONNECT that is refused is not done: no subscription, no message, no will", async t => {
  const more = [subscribeOf("#", 1), publishOf("a", "behind", 1), publishOf("a", "kept", 0)];
  const connects = [
    connectPacket({ clientId: "client", protocolLevel: 5, will: will("will") }),
    connectOf({ level: 6 }),
    connectOf({ flags: 0, fields: [""] }),
    connectOf({ flags: WILL, fields: ["", "will", "will"] }),
  ];
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("#");
  for (const connect of connects) {
    const client = broker.send(Buffer.concat([connect, ...more]));
    await client.ended();
    assert.deepEqual(types(client), [PacketType.connack]);
  }
  assert.deepEqual(await receivedSoFar(broker, watcher), []);
  assert.deepEqual(broker.all("subscribed").length, 1);
});

// 3.2: CONNACK

test("[MQTT-3.2.2-1] clean session 1: session present 0, whatever was there", async t => {
  const broker = await ObservedBroker.start(t);
  for (const before of [null, false, true]) {
    if (before !== null) await (await broker.connect("sub", { clean: before })).subscribe("a", 1);
    const client = broker.start("sub", { clean: true });
    assert.deepEqual(await client.connack(), { sessionPresent: false, returnCode: 0 });
  }
});

test("[MQTT-3.2.2-3] clean session 0 after clean session 1, which had subscriptions: session present 0, then 1", async t => {
  const broker = await ObservedBroker.start(t);
  const first = await broker.connect("sub", { clean: true });
  await first.subscribe("a", 1);
  for (const sessionPresent of [false, true, true]) {
    const client = broker.start("sub", { clean: false });
    assert.deepEqual(await client.connack(), { sessionPresent, returnCode: 0 });
  }
});

test("[MQTT-3.2.2-4] [MQTT-3.2.2-5] a refusing CONNACK has session present 0, though there is a session, and then the end", async t => {
  const broker = await ObservedBroker.start(t);
  await broker.dropped(await broker.connect("ward", { clean: false }), "ward");
  for (const protocolLevel of [0, 5, 6]) {
    const client = broker.start("ward", { clean: false, protocolLevel });
    await client.ended();
    const [connack, ...more] = client.packets.items;
    assert.deepEqual([connack?.type, connack?.flags, connack?.body], [2, 0, Buffer.of(0, 1)]);
    assert.deepEqual(more, []);
  }
});

// 3.12, 3.14: PINGREQ, DISCONNECT

test("[MQTT-3.12.4-1] each PINGREQ has its PINGRESP, in its place among the answers", async t => {
  const broker = await ObservedBroker.start(t);
  const client = await broker.connect("client");
  const sent = [PINGREQ, publishOf("a", "x", 1, 1), PINGREQ, PINGREQ, subscribeOf("a", 0), PINGREQ];
  client.socket.write(Buffer.concat(sent));
  client.socket.write(Buffer.concat(Array.from({ length: 100 }, () => PINGREQ)));
  const isAnswer = ({ type }: Packet) => type === PacketType.pingresp;
  await client.packets.waitFor("104 answers", all => all.filter(isAnswer).length === 104 || undefined);
  const first = [2, 13, 4, 13, 13, 9, 13];
  assert.deepEqual(types(client), [...first, ...Array.from({ length: 100 }, () => 13)]);
  for (const each of client.packets.items.filter(isAnswer))
    assert.deepEqual([each.flags, each.body.length], [0, 0]);
});

test("[MQTT-3.14.4-1] [MQTT-3.14.4-2] [MQTT-3.14.4-3] DISCONNECT: the broker closes, the will is not sent, what comes behind is not done", async t => {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("#");
  const client = await broker.connect("ward", { will: will("will") });
  await client.subscribe("#", 1);
  const behind = [1, 2].map(qos => publishOf("behind", `behind at ${qos}`, qos as QoS));
  client.socket.write(Buffer.concat([publishOf("a", "before", 1), DISCONNECT, ...behind, BEHIND]));
  await client.ended();
  assert.equal((await broker.event("client-disconnected", "ward")).cause, "graceful");
  assert.deepEqual(await receivedSoFar(broker, watcher), ["before"]);
});

test("[MQTT-3.14.4-3] DISCONNECT, and then nothing or something forbidden: the broker closes, and the will is not sent", async t => {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("#");
  const behind: Case[] = [
    ["nothing", Buffer.alloc(0)],
    ["a reserved type", Buffer.of(0, 0)],
    ["a second CONNECT", connectPacket({ clientId: "other", will: will("will") })],
    ["a second DISCONNECT", DISCONNECT],
    ["half a packet", Buffer.of(0x30)],
  ];
  for (const [what, bytes] of behind) {
    const client = await broker.connect(what, { will: will("will") });
    client.socket.write(Buffer.concat([DISCONNECT, bytes]));
    await client.ended(what);
    await broker.event("will-discarded", what);
  }
  assert.deepEqual(await receivedSoFar(broker, watcher), []);
});

// 4.1, 4.8: session state, errors

test("[MQTT-4.1.0-1] a stored session keeps what it has received and not released: the same message again is not passed on", async t => {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("#");
  await leaveUnreleased(broker, watcher, false);
  const client = await broker.connect("pub", { clean: false });
  const again = publishOf("a", "first", 2, 7);
  again.writeUInt8(0x3c, 0); // with DUP
  client.socket.write(again);
  await client.packet("PUBCOMP", PacketType.pubcomp, 7);
  // Released, the identifier is free.
  client.socket.write(publishOf("a", "second", 2, 7));
  await watcher.message("second");
  assert.deepEqual(await receivedSoFar(broker, watcher), ["first", "second"]);
});

test("[MQTT-4.1.0-1] a stored session keeps its subscriptions, its queue and what is in flight over several connections", async t => {
  const broker = await ObservedBroker.start(t);
  const publisher = await broker.connect("publisher");
  const first = await broker.connect("sub", { clean: false, hold: true });
  await first.subscribe("a", 1);
  const expected = ["sent"];
  await publisher.publish("a", "sent", 1);
  const { packetId } = await first.message("sent");
  await broker.dropped(first, "sub");
  for (let round = 1; round <= 5; round++) {
    await publisher.publish("a", `away ${round}`, 1);
    expected.push(`away ${round}`);
    const client = await broker.connect("sub", { clean: false, hold: true });
    await publisher.publish("a", `there ${round}`, 1);
    assert.deepEqual(await client.payloadsBefore(`there ${round}`), expected);
    assert.equal((await client.message("sent")).packetId, packetId);
    expected.push(`there ${round}`);
    await broker.dropped(client, "sub", round + 1);
  }
});

test("[MQTT-4.1.0-2] a clean session lasts as long as its connection, whoever else comes and goes", async t => {
  const broker = await ObservedBroker.start(t);
  const client = await broker.connect("ward");
  await client.subscribe("a", 1);
  await client.subscribe("b", 1);
  const other = await broker.connect("other");
  for (const filter of ["a", "b", "#"]) await other.subscribe(filter, 1);
  await other.unsubscribe("a");
  other.disconnect();
  await broker.event("client-disconnected", "other");
  for (const clean of [true, false, true]) {
    const similar = await broker.connect("war", { clean });
    await similar.subscribe("a", 1);
    similar.socket.resetAndDestroy();
  }
  await client.unsubscribe("b");
  const publisher = await broker.connect("publisher");
  await publisher.publish("a", "still", 1);
  await client.message("still");
});

test("[MQTT-4.8.0-1] what only a broker sends: the connection ends, and the will is sent", t =>
  endsConnection(t, [
    ["CONNACK", packet(0x20, Buffer.of(0, 0))],
    ["SUBACK", packet(0x90, Buffer.of(0, 1, 0))],
    ["UNSUBACK", packet(0xb0, Buffer.of(0, 1))],
    ["PINGRESP", packet(0xd0)],
  ]));

test("[MQTT-4.8.0-1] reserved types, and lengths that cannot be: the connection ends, and the will is sent", t =>
  endsConnection(t, [
    ["type 0", Buffer.of(0, 0)],
    ["type 15", Buffer.of(0xf0, 0)],
    ["a length of five bytes", Buffer.of(0x30, 0x80, 0x80, 0x80, 0x80, 0x01)],
    ["a topic that is longer than its packet", Buffer.of(0x30, 3, 0, 2, 0x61)],
    ["a PUBLISH without a topic", packet(0x30)],
  ]));

for (const [name, type] of [
  ["PINGREQ", 0xc0],
  ["DISCONNECT", 0xe0],
] as const)
  test(`[MQTT-4.8.0-1] ${name} with something in it: the connection ends, and the will is sent`, t =>
    endsConnection(
      t,
      [1, 2, 200].map(length => [`${name} of ${length}`, packet(type, Buffer.alloc(length))]),
    ));

test("[MQTT-4.8.0-2] a packet that is too large for the broker ends its own connection, and no other", async t => {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("#");
  const other = await broker.connect("other");
  const large = await broker.connect("large", { will: will("too large") });
  large.socket.write(Buffer.of(0x30, 0x81, 0x80, 0x10));
  await large.ended();
  await watcher.message("too large");
  await other.ping();
  assert.deepEqual(await receivedSoFar(broker, watcher), ["too large"]);
});
