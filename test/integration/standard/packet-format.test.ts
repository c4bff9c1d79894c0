import assert from "node:assert/strict";
import { test } from "node:test";
import { ObservedBroker } from "../../support/observed-broker.js";
import { field, PacketType, packet } from "../../support/packets.js";
import {
  CLEAN,
  type Case,
  type ConnectParts,
  PASSWORD,
  USER_NAME,
  WILL,
  connectOf,
  endsConnection,
  endsWithoutAnswer,
  receivedSoFar,
  subscribeOf,
  unsubscribeOf,
  will,
} from "../../support/connect-cases.js";

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
