import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import type { QoS } from "../../../src/events/events.js";
import { ObservedBroker } from "../../support/observed-broker.js";
import {
  connectPacket,
  DISCONNECT,
  field,
  type Packet,
  PacketType,
  PINGREQ,
  packet,
} from "../../support/packets.js";
import {
  BEHIND,
  CLEAN,
  type Case,
  PASSWORD,
  USER_NAME,
  WILL,
  accepts,
  both,
  connectOf,
  endsConnection,
  endsWithoutAnswer,
  publishOf,
  receivedSoFar,
  refusesWith,
  subscribeOf,
  types,
  unsubscribeOf,
  will,
} from "../../support/connect-cases.js";

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
