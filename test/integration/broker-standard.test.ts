import assert from "node:assert/strict";
import { test } from "node:test";
import type { QoS } from "../../src/events/events.js";
import { ObservedBroker } from "../support/observed-broker.js";
import { DISCONNECT, PacketType } from "../support/packets.js";

/** Statements of MQTT 3.1.1, byte by byte, that stock aedes 1.2.0 violates or nearly violates. */

for (const qos of [1, 2] as const)
  test(`[MQTT-4.4.0-1] a retained message at QoS ${qos} that a new subscription got and did not acknowledge comes again`, async t => {
    const broker = await ObservedBroker.start(t);
    const publisher = await broker.connect("publisher");
    await publisher.publish("a/b", "kept", 2, true);
    const first = await broker.connect("sub", { clean: false, hold: true });
    await first.subscribe("a/+", qos);
    const sent = await first.message("kept");
    assert.deepEqual([sent.qos, sent.retain, sent.dup], [qos, true, false]);
    await broker.dropped(first, "sub");
    const second = await broker.connect("sub", { clean: false });
    const again = await second.message("kept");
    assert.deepEqual([again.packetId, again.retain, again.dup], [sent.packetId, true, true]);
  });

for (const clean of [true, false])
  for (const qos of [0, 1] as const) {
    const kind = clean ? "clean" : "stored";
    test(`[MQTT-3.8.4-6] a ${kind} session's wildcard at QoS ${qos}: live and retained messages come at no more`, async t => {
      const broker = await ObservedBroker.start(t);
      const publisher = await broker.connect("publisher");
      await publisher.publish("a/retained", "retained", 2, true);
      const sub = await broker.connect("sub", { clean });
      assert.equal(await sub.subscribe("a/#", qos), qos);
      assert.equal((await sub.message("retained")).qos, qos);
      await publisher.publish("a/live", "live", 2);
      assert.equal((await sub.message("live")).qos, qos);
    });
  }

test("[MQTT-4.6.0-6] messages of one client arrive in its order, whether they are to be retained or not", async t => {
  const broker = await ObservedBroker.start(t);
  const sub = await broker.connect("sub");
  await sub.subscribe("a", 1);
  const publisher = await broker.connect("publisher");
  const payloads = Array.from({ length: 200 }, (_, i) => String(i));
  await Promise.all(payloads.map((payload, i) => publisher.publish("a", payload, 1, i % 3 === 0)));
  await publisher.publish("a", "end", 1);
  assert.deepEqual(await sub.payloadsBefore("end"), payloads);
});

test("a message is on its way to its subscribers before its publisher has the acknowledgment", async t => {
  const broker = await ObservedBroker.start(t);
  for (const [qos, type] of [
    [1, PacketType.puback],
    [2, PacketType.pubrec],
  ] as const) {
    const client = await broker.connect(`both${qos}`);
    await client.subscribe("a", 0);
    await client.publish("a", `at ${qos}`, qos);
    await client.message(`at ${qos}`);
    const types = client.packets.items.map(packet => packet.type);
    assert.ok(types.indexOf(PacketType.publish) < types.indexOf(type), types.join(" "));
  }
});

test("[MQTT-4.3.3-2] QoS 2 both ways over broken connections: each message once, none twice", async t => {
  const broker = await ObservedBroker.start(t);
  let sub = await broker.connect("sub", { clean: false });
  await sub.subscribe("a/#", 2);
  const seen: string[] = [];
  const publisher = await broker.connect("publisher");
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < 30; i++) await publisher.publish(`a/${round}`, `${round}-${i}`, 2);
    await broker.dropped(sub, "sub", round + 1);
    // The client has passed on each message that it acknowledged with PUBREC or PUBCOMP.
    seen.push(...sub.publishes.items.filter(({ dup }) => !dup).map(({ payload }) => payload));
    sub = await broker.connect("sub", { clean: false });
  }
  await publisher.publish("a/end", "end", 2);
  await sub.message("end");
  seen.push(...sub.publishes.items.filter(({ dup }) => !dup).map(({ payload }) => payload));
  const expected = Array.from({ length: 600 }, (_, i) => `${Math.floor(i / 30)}-${i % 30}`);
  assert.deepEqual(seen, [...expected, "end"]);
});

const badStrings: [what: string, bytes: number[]][] = [
  ["U+0000 [MQTT-1.5.3-2]", [0x61, 0x00]],
  ["a surrogate [MQTT-1.5.3-1]", [0xed, 0xa0, 0x80]],
  ["half a character [MQTT-1.5.3-1]", [0x61, 0xf0, 0x9f, 0x98]],
  ["a byte that is no UTF-8 [MQTT-1.5.3-1]", [0xff]],
];
for (const [what, bytes] of badStrings)
  test(`a topic name with ${what}: the connection is closed, and nobody gets the message`, async t => {
    const broker = await ObservedBroker.start(t);
    const watcher = await broker.watcher("#");
    const client = await broker.connect("bad");
    client.socket.write(Buffer.from([0x30, 2 + bytes.length, 0, bytes.length, ...bytes]));
    await client.closed;
    assert.equal((await broker.event("client-disconnected", "bad")).cause, "protocol-error");
    const publisher = await broker.connect("publisher");
    await publisher.publish("marker", "marker", 1);
    assert.deepEqual(await watcher.payloadsBefore("marker"), []);
  });

test("a topic name with the character U+FFFD itself is a good one", async t => {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("#");
  const publisher = await broker.connect("publisher");
  await publisher.publish("a/\ufffd", "x", 1);
  assert.equal((await watcher.message("x")).topic, "a/\ufffd");
});

test("[MQTT-4.7.2-1] wildcards match no topic that begins with $, and the broker's own topics tell nothing", async t => {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.connect("watcher");
  for (const filter of ["#", "+/#", "$SYS/#"]) await watcher.subscribe(filter, 1);
  const named = await broker.connect("named");
  await named.subscribe("$own/#", 1);
  const publisher = await broker.connect("publisher");
  await publisher.publish("$own/a", "hidden", 1);
  await publisher.publish("a", "marker", 1);
  assert.equal((await named.message("hidden")).topic, "$own/a");
  assert.deepEqual(await watcher.payloadsBefore("marker"), []);
});

test("[MQTT-3.2.2-2] a stored session without subscriptions is present, also after it has unsubscribed", async t => {
  const broker = await ObservedBroker.start(t);
  const presentOnReturn = async (leave: () => Promise<unknown>) => {
    await leave();
    const client = broker.start("sub", { clean: false });
    const { sessionPresent } = await client.connack();
    return { client, sessionPresent };
  };
  const first = await broker.connect("sub", { clean: false });
  const second = await presentOnReturn(() => broker.dropped(first, "sub"));
  assert.equal(second.sessionPresent, true);
  await second.client.subscribe("a", 1);
  await second.client.unsubscribe("a");
  const third = await presentOnReturn(() => broker.dropped(second.client, "sub", 2));
  assert.equal(third.sessionPresent, true);
});

test("[MQTT-3.1.4-2] a connection that takes over keeps its own will", async t => {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("wills/#");
  const will = (payload: string) => ({ topic: "wills/ward", payload, qos: 1 as QoS, retain: false });
  await broker.connect("ward", { will: will("first") });
  const second = await broker.connect("ward", { will: will("second") });
  await watcher.message("first");
  second.socket.resetAndDestroy();
  await watcher.message("second");
});

test("one client that does not read holds up no other, and gets its messages when it reads again", async t => {
  const broker = await ObservedBroker.start(t);
  const sleeper = await broker.connect("sleeper", { clean: false });
  await sleeper.subscribe("a", 1);
  sleeper.socket.pause();
  const others = await Promise.all(Array.from({ length: 20 }, (_, i) => broker.connect(`other${i}`)));
  for (const other of others) await other.subscribe("a", 1);
  const publisher = await broker.connect("publisher");
  const payload = "x".repeat(50_000);
  const count = 200;
  for (let i = 0; i < count; i++) await publisher.publish("a", `${i} ${payload}`, 1);
  await publisher.publish("a", "end", 1);
  for (const other of others) await other.message("end");
  assert.ok(sleeper.publishes.items.length < count);
  sleeper.socket.resume();
  await sleeper.message("end");
  const numbers = sleeper.publishes.items.map(each => Number.parseInt(each.payload, 10));
  assert.deepEqual(
    numbers.slice(0, -1),
    Array.from({ length: count }, (_, i) => i),
  );
});

test("a topic filter that MQTT does not allow: the connection is closed [MQTT-4.7.1-3]", async t => {
  const broker = await ObservedBroker.start(t);
  for (const [i, filter] of ["a+", "a/#/b", "#a"].entries()) {
    const client = await broker.connect(`bad${i}`);
    await assert.rejects(client.subscribe(filter, 1), /the connection was closed/);
    assert.equal((await broker.event("client-disconnected", `bad${i}`)).cause, "protocol-error");
  }
});

test("what happens to a message is told: queued, delivered, acknowledged; retained and cleared", async t => {
  const broker = await ObservedBroker.start(t);
  const sub = await broker.connect("sub", { clean: false });
  await sub.subscribe("a", 1);
  await broker.dropped(sub, "sub");
  const publisher = await broker.connect("publisher");
  await publisher.publish("a", "one", 1, true);
  const queued = await broker.event("message-queued", "sub");
  assert.deepEqual([queued.topic, queued.packetId, queued.queued], ["a", null, 1]);
  assert.deepEqual(broker.all("message-retained"), [{ event: "message-retained", topic: "a" }]);
  await broker.connect("sub", { clean: false });
  const delivered = await broker.event("message-delivered", "sub");
  const acknowledged = await broker.event("message-acknowledged", "sub");
  assert.deepEqual([delivered.topic, delivered.queued], ["a", 1]);
  assert.deepEqual([acknowledged.packetId, acknowledged.queued], [delivered.packetId, 0]);
  await publisher.publish("a", "", 1, true);
  assert.deepEqual(broker.all("retained-cleared"), [{ event: "retained-cleared", topic: "a" }]);
});

/** PUBLISH of "x" to the topic "a". */
const publishBytes = (packetId: number, qos: 1 | 2) =>
  [0x30 | (qos << 1), 6, 0, 1, 0x61].concat(packetId >> 8, packetId & 0xff, 0x78);

test("[MQTT-4.3.3-2] 1500 QoS 2 messages that await their PUBREL: all are taken, each once though sent again", async t => {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("a", 0);
  const count = 1500;
  const all = (first: number) =>
    Buffer.from(Array.from({ length: count }, (_, i) => publishBytes(i + 1, 2).with(0, first)).flat());
  const silent = await broker.connect("silent", { clean: false });
  silent.socket.removeAllListeners("data").resume(); // no PUBREL
  silent.socket.write(all(0x34));
  await watcher.publishes.waitFor("all", items => items.length === count || undefined);
  await broker.dropped(silent, "silent");
  const again = await broker.connect("silent", { clean: false });
  again.socket.write(all(0x3c)); // with DUP
  await again.packet("the last PUBCOMP", PacketType.pubcomp, count);
  await again.publish("a", "marker", 1);
  await watcher.message("marker");
  assert.equal(watcher.publishes.items.length, count + 1);
});

test("a packet of 256 KiB is taken", async t => {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("a");
  const publisher = await broker.connect("publisher");
  const payload = "x".repeat(256 * 1024 - 2 - 1 - 2);
  await publisher.publish("a", payload, 1);
  assert.equal((await watcher.message(payload)).payload.length, payload.length);
});

test("[MQTT-3.1.4-5] a client that does not wait for CONNACK: its messages arrive, and its DISCONNECT counts", async t => {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("#");
  for (let round = 0; round < 10; round++) {
    const id = `hasty${round}`;
    const will = { topic: "will", payload: "will", qos: 1, retain: false } as const;
    const packets = Array.from({ length: 100 }, (_, i) => publishBytes(i + 1, 1)).flat();
    broker.start(id, { will }, Buffer.from([...packets, 0xe0, 0]));
    await broker.event("will-discarded", id);
  }
  const publisher = await broker.connect("publisher");
  await publisher.publish("marker", "marker", 1);
  const payloads = await watcher.payloadsBefore("marker");
  assert.equal(payloads.length, 1000);
  assert.ok(!payloads.includes("will"));
});

test("what comes in one piece with DISCONNECT is answered before the connection is closed", async t => {
  const broker = await ObservedBroker.start(t);
  const client = await broker.connect("hasty");
  const subscribe = [0x82, 6, 0, 1, 0, 1, 0x61, 1];
  client.socket.write(
    Buffer.from([...subscribe, ...publishBytes(2, 1), ...publishBytes(3, 2), 0xc0, 0, 0xe0, 0]),
  );
  await client.closed;
  const types = client.packets.items.map(({ type }) => type).filter(type => type !== PacketType.publish);
  const { connack, suback, puback, pubrec, pingresp } = PacketType;
  assert.equal(types.length, 5);
  assert.deepEqual(new Set(types), new Set([connack, suback, puback, pubrec, pingresp]));
  assert.equal((await broker.event("client-disconnected", "hasty")).cause, "graceful");
});

test("[MQTT-3.14.4-1] DISCONNECT of a client that reads nothing: the connection is closed all the same", async t => {
  const broker = await ObservedBroker.start(t);
  const sleeper = await broker.connect("sleeper", { clean: false });
  await sleeper.subscribe("a", 1);
  sleeper.socket.pause();
  const publisher = await broker.connect("publisher");
  const payload = "x".repeat(100_000);
  for (let i = 0; i < 150; i++) await publisher.publish("a", payload, 1);
  sleeper.socket.write(DISCONNECT);
  assert.equal((await broker.event("client-disconnected", "sleeper")).cause, "graceful");
});

test("[MQTT-4.6.0-6] a retained message does not come after a newer one", async t => {
  const broker = await ObservedBroker.start(t);
  const publisher = await broker.connect("publisher");
  const topics = Array.from({ length: 60 }, (_, i) => `a/${i}`);
  for (const topic of topics) await publisher.publish(topic, "old", 1, true);
  const sub = await broker.connect("sub");
  await Promise.all([
    sub.subscribe("a/#", 1),
    ...topics.map(topic => publisher.publish(topic, "new", 1, true)),
  ]);
  await publisher.publish("a/end", "end", 1);
  await sub.message("end");
  for (const topic of topics)
    assert.equal(sub.publishes.items.findLast(each => each.topic === topic)?.payload, "new", topic);
});

const forbidden: [what: string, bytes: number[]][] = [
  ["a PUBLISH at QoS 1 without packet identifier", [0x32, 3, 0, 1, 0x61]],
  ["a PUBLISH with packet identifier 0", publishBytes(0, 1)],
  ["a SUBSCRIBE with packet identifier 0", [0x82, 6, 0, 0, 0, 1, 0x61, 0]],
  ["an UNSUBSCRIBE without a filter", [0xa2, 2, 0, 1]],
  ["a PUBACK that is too long", [0x40, 3, 0, 1, 0]],
  ["a PUBACK without packet identifier", [0x40, 0]],
];
for (const [what, bytes] of forbidden)
  test(`${what}: the connection is closed [MQTT-4.8.0-1]`, async t => {
    const broker = await ObservedBroker.start(t);
    const watcher = await broker.watcher("#");
    const client = await broker.connect("bad");
    client.socket.write(Buffer.from([...bytes, 0xc0, 0]));
    assert.equal((await broker.event("client-disconnected", "bad")).cause, "protocol-error");
    const publisher = await broker.connect("publisher");
    await publisher.publish("marker", "marker", 1);
    assert.deepEqual(await watcher.payloadsBefore("marker"), []);
  });

for (const clean of [true, false])
  test(`[MQTT-4.3.3-1] PUBREC, PUBREL, PUBCOMP: clean session ${clean ? 1 : 0} goes on`, async t => {
    const broker = await ObservedBroker.start(t);
    const sub = await broker.connect("sub", { clean });
    await sub.subscribe("a", 2);
    const publisher = await broker.connect("publisher");
    await publisher.publish("a", "x", 2);
    await broker.event("message-acknowledged", "sub");
    await sub.ping();
  });

test("[MQTT-3.1.2-2] a protocol level that nobody knows: CONNACK with return code 1", async t => {
  const broker = await ObservedBroker.start(t);
  for (const protocolLevel of [0, 3, 6]) {
    const client = broker.start(`level${protocolLevel}`, { protocolLevel });
    assert.equal((await client.connack()).returnCode, 1);
    await client.closed;
  }
});

test("[MQTT-3.9.3-1] SUBACK has a return code for each filter, also for one that comes twice", async t => {
  const broker = await ObservedBroker.start(t);
  const client = await broker.connect("sub");
  const filters = [0, 1, 0x61, 0, 0, 1, 0x62, 1, 0, 1, 0x61, 2];
  client.socket.write(Buffer.from([0x82, 2 + filters.length, 0, 9, ...filters]));
  const { body } = await client.packet("SUBACK", PacketType.suback, 9);
  assert.deepEqual([...body.subarray(2)], [0, 1, 2]);
});

for (const [what, qos, answer] of [
  ["PUBACK for a QoS 2 message", 2, PacketType.puback],
  ["PUBCOMP for a QoS 1 message", 1, PacketType.pubcomp],
  ["PUBREC for a QoS 1 message", 1, PacketType.pubrec],
  ["PUBCOMP before PUBREC", 2, PacketType.pubcomp],
] as const)
  test(`[MQTT-4.3.3-1] ${what}: the connection is closed, and the message comes again`, async t => {
    const broker = await ObservedBroker.start(t);
    const sub = await broker.connect("sub", { clean: false, hold: true });
    await sub.subscribe("a", qos);
    const publisher = await broker.connect("publisher");
    await publisher.publish("a", "x", qos);
    const { packetId } = await sub.message("x");
    sub.acknowledge(answer, packetId ?? 0);
    assert.equal((await broker.event("client-disconnected", "sub")).cause, "protocol-error");
    const again = await broker.connect("sub", { clean: false });
    assert.deepEqual([(await again.message("x")).packetId, (await again.message("x")).dup], [packetId, true]);
  });

test("a client that holds its acknowledgments gets 1000 messages, and the next for each one that it gives", async t => {
  const broker = await ObservedBroker.start(t);
  const sub = await broker.connect("sub", { clean: false, hold: true });
  await sub.subscribe("a", 1);
  const publisher = await broker.connect("publisher");
  publisher.socket.write(Buffer.from(Array.from({ length: 1500 }, (_, i) => publishBytes(i + 1, 1)).flat()));
  await publisher.packet("the last PUBACK", PacketType.puback, 1500);
  await sub.ping();
  assert.equal(sub.publishes.items.length, 1000);
  const { queued, packetId } = await broker.event("message-queued", "sub", 500);
  assert.deepEqual([queued, packetId], [1500, null], "what waits behind it is told as queued");
  sub.acknowledge(PacketType.puback, sub.publishes.items[0]?.packetId ?? 0);
  await sub.publishes.waitFor("one more", items => items.length === 1001 || undefined);
});

test("a clean session that has unsubscribed gets nothing more; a live message has retain flag 0", async t => {
  const broker = await ObservedBroker.start(t);
  const sub = await broker.connect("sub");
  await sub.subscribe("a", 0);
  const publisher = await broker.connect("publisher");
  await publisher.publish("a", "live", 0, true);
  assert.equal((await sub.message("live")).retain, false);
  await sub.unsubscribe("a");
  await sub.subscribe("b", 0);
  await publisher.publish("a", "hidden", 0);
  await publisher.publish("b", "marker", 0);
  assert.deepEqual(await sub.payloadsBefore("marker"), ["live"]);
});

test("a retained message comes at its own QoS where that is lower than the subscription's", async t => {
  const broker = await ObservedBroker.start(t);
  const publisher = await broker.connect("publisher");
  for (const qos of [0, 1] as const) {
    await publisher.publish(`a/${qos}`, `at ${qos}`, qos, true);
    const sub = await broker.connect(`sub${qos}`);
    await sub.subscribe(`a/${qos}`, 2);
    assert.equal((await sub.message(`at ${qos}`)).qos, qos);
  }
});

test("of the events that come with each message, what is left out under load is counted", async t => {
  const broker = await ObservedBroker.start(t);
  const sub = await broker.connect("sub");
  await sub.subscribe("a", 0);
  const publisher = await broker.connect("publisher");
  const count = 3000;
  const publish = [0x30, 4, 0, 1, 0x61, 0x78];
  publisher.socket.write(Buffer.from(Array.from({ length: count }, () => publish).flat()));
  const told = () => broker.all("message-delivered").length;
  const omitted = () => broker.all("events-omitted").reduce((sum, each) => sum + each.count, 0);
  await broker.waitFor("all of them", () => told() + omitted() === count);
  assert.ok(omitted() > 0);
  await sub.publishes.waitFor("the messages themselves", items => items.length === count || undefined);
  publisher.socket.write(Buffer.from(Array.from({ length: count }, () => publish).flat()));
  await sub.publishes.waitFor("as many again", items => items.length === 2 * count || undefined);
  await broker.close();
  assert.equal(told() + omitted(), 2 * count, "the last second's at the stop");
});
