import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { startBroker } from "../../src/broker/start-broker.js";
import { SubscriptionTrie } from "../../src/broker/store/subscription-trie.js";
import type { BrokerEvent, QoS } from "../../src/events/events.js";
import { ObservedBroker } from "../support/observed-broker.js";
import { field, PacketType, packet, uint16 } from "../support/packets.js";
import { RawClient } from "../support/raw-client.js";
import { WaitableList } from "../support/waitable-list.js";

/**
 * What MQTT 3.1.1 says of packet identifiers, PUBLISH and its answers, SUBSCRIBE, UNSUBSCRIBE, delivery, order and topic
 * filters, as a client sees it. More of the same chapters is in broker.test.ts and broker-standard.test.ts.
 */

const ALL_QOS = [0, 1, 2] as const;
const DUP = 8;
const RETAIN = 1;
const NOTHING = Buffer.alloc(0);
const PINGREQ = packet(0xc0);
const DISCONNECT = packet(0xe0);

const publishPacket = (topic: string, payload: string, qos: QoS, packetId: number, flags = 0) =>
  packet(0x30 | (qos << 1) | flags, field(topic), qos > 0 ? uint16(packetId) : NOTHING, Buffer.from(payload));

const subscribePacket = (packetId: number, filters: (readonly [topicFilter: string, qos: QoS])[]) =>
  packet(
    0x82,
    uint16(packetId),
    ...filters.flatMap(([topicFilter, qos]) => [field(topicFilter), Buffer.of(qos)]),
  );

const unsubscribePacket = (packetId: number, filters: string[]) =>
  packet(0xa2, uint16(packetId), ...filters.map(topicFilter => field(topicFilter)));

/** The packet identifiers of all packets of that type that came, in their order. */
const idsOf = (client: RawClient, type: number) =>
  client.packets.items.filter(each => each.type === type).map(({ body }) => body.readUInt16BE(0));

const numbers = (count: number, first = 1) => Array.from({ length: count }, (_, i) => first + i);

/** What a new subscription finds retained: up to a marker, which was retained after all the others. */
async function retainedFor(broker: ObservedBroker, filters: (readonly [string, QoS])[], options = {}) {
  const publisher = await broker.connect("retainer");
  for (const payload of ["", "the marker"]) await publisher.publish("the/marker", payload, 1, true);
  const client = await broker.connect("finder", options);
  client.socket.write(subscribePacket(900, [...filters, ["the/marker", 1]]));
  await client.payloadsBefore("the marker");
  publisher.disconnect();
  client.disconnect();
  await Promise.all([publisher.closed, client.closed]);
  return client.publishes.items.filter(({ topic }) => topic !== "the/marker");
}

// 2.2.2, 2.3.1, 3.3, 3.6.1, 3.8.1, 3.8.3, 3.10.1, 3.10.3, 4.7.3: what may not be sent.

const filterBytes = (bytes: number[]) => field(Buffer.from(bytes));
const forbidden: [clause: string, what: string, bytes: Buffer][] = [
  ["2.3.1-1", "a PUBLISH at QoS 2 with packet identifier 0", publishPacket("a", "x", 2, 0)],
  ["2.3.1-1", "an UNSUBSCRIBE with packet identifier 0", unsubscribePacket(0, ["a"])],
  ["3.3.1-2", "a PUBLISH at QoS 0 with DUP", publishPacket("a", "x", 0, 0, DUP)],
  ["3.3.1-4", "a PUBLISH at QoS 3", packet(0x36, field("a"), uint16(1), Buffer.from("x"))],
  ["3.3.1-4", "a PUBLISH at QoS 3 with DUP and RETAIN", packet(0x3f, field("a"), uint16(1))],
  ["3.3.2-1", "a PUBLISH without a topic name", packet(0x30)],
  ["3.3.2-1", "a PUBLISH that ends within its topic name", packet(0x30, uint16(5), Buffer.from("a"))],
  ["3.3.2-2", "a topic name with #", publishPacket("a/#", "x", 1, 1)],
  ["3.3.2-2", "a topic name with +", publishPacket("a/+/b", "x", 1, 1)],
  ["4.7.1-1", "a topic name with + within a level", publishPacket("a+", "x", 0, 0)],
  ["4.7.3-1", "an empty topic name", publishPacket("", "x", 1, 1)],
  ["3.6.1-1", "a PUBREL with reserved flags 0000", packet(0x60, uint16(1))],
  ["3.6.1-1", "a PUBREL with reserved flags 1010", packet(0x6a, uint16(1))],
  ["2.2.2-2", "a PUBACK with reserved flags 0010", packet(0x42, uint16(1))],
  ["2.2.2-2", "a PUBREC with reserved flags 0010", packet(0x52, uint16(1))],
  ["2.2.2-2", "a PUBCOMP with reserved flags 0010", packet(0x72, uint16(1))],
  ["3.8.1-1", "a SUBSCRIBE with reserved flags 0000", packet(0x80, uint16(1), field("a"), Buffer.of(1))],
  ["3.8.1-1", "a SUBSCRIBE with reserved flags 1010", packet(0x8a, uint16(1), field("a"), Buffer.of(1))],
  ["3.8.3-1", "a filter that is no UTF-8", packet(0x82, uint16(1), filterBytes([0x61, 0xff]), Buffer.of(1))],
  ["3.8.3-1", "a surrogate", packet(0x82, uint16(1), filterBytes([0xed, 0xa0, 0x80]), Buffer.of(1))],
  ["3.8.3-3", "a SUBSCRIBE without a filter", packet(0x82, uint16(1))],
  ["3.8.3-3", "a SUBSCRIBE without a packet identifier", packet(0x82)],
  ["3.8.3-3", "a SUBSCRIBE without the QoS of its filter", packet(0x82, uint16(1), field("a"))],
  [
    "3.8.3-3",
    "one without the QoS of its last",
    packet(0x82, uint16(1), field("a"), Buffer.of(1), field("b")),
  ],
  ...[3, 4, 0x41, 0x80, 0xff].map((options): [string, string, Buffer] => [
    "3.8.3-4",
    `a SUBSCRIBE with requested QoS byte ${options}`,
    packet(0x82, uint16(1), field("a"), Buffer.of(options)),
  ]),
  ["4.7.1-2", "a filter with # before its end", subscribePacket(1, [["a/#/b", 1]])],
  ["4.7.1-2", "a filter with # and more in a level", subscribePacket(1, [["a/b#", 1]])],
  ["4.7.1-2", "a filter with # twice", subscribePacket(1, [["##", 1]])],
  ["4.7.1-3", "a filter with + and more in a level", subscribePacket(1, [["a/+b/c", 1]])],
  ["4.7.1-3", "a filter with + twice in a level", subscribePacket(1, [["++", 1]])],
  ["4.7.3-1", "an empty filter", subscribePacket(1, [["", 1]])],
  ["4.7.3-2", "a filter with U+0000", subscribePacket(1, [["a\0", 1]])],
  ["3.10.1-1", "an UNSUBSCRIBE with reserved flags 0000", packet(0xa0, uint16(1), field("a"))],
  ["3.10.1-1", "an UNSUBSCRIBE with reserved flags 1010", packet(0xaa, uint16(1), field("a"))],
  ["3.10.3-1", "an UNSUBSCRIBE of what is no UTF-8", packet(0xa2, uint16(1), filterBytes([0xc3]))],
  ["3.10.3-1", "one that ends within its filter", packet(0xa2, uint16(1), uint16(9), Buffer.from("a"))],
  ["3.10.3-2", "an UNSUBSCRIBE without a packet identifier", packet(0xa2)],
  ["4.7.3-1", "an UNSUBSCRIBE of an empty filter", unsubscribePacket(1, [""])],
];
for (const [clause, what, bytes] of forbidden)
  test(`[MQTT-${clause}] ${what}: the connection is closed, and nothing of it counts [MQTT-4.8.0-1]`, async t => {
    const broker = await ObservedBroker.start(t);
    const watcher = await broker.watcher("#");
    const client = await broker.connect("bad");
    client.socket.write(Buffer.concat([bytes, PINGREQ]));
    assert.equal((await broker.event("client-disconnected", "bad")).cause, "protocol-error");
    await client.closed;
    assert.deepEqual(
      client.packets.items.map(({ type }) => type),
      [PacketType.connack],
    );
    const publisher = await broker.connect("publisher");
    await publisher.publish("marker", "marker", 1);
    assert.deepEqual(await watcher.payloadsBefore("marker"), []);
    assert.deepEqual(broker.all("subscribed", "bad"), []);
  });

// 2.3.1: packet identifiers.

test("[MQTT-2.3.1-4] what is in flight has packet identifiers that are not 0 and all different, retained or not", async t => {
  const broker = await ObservedBroker.start(t);
  const publisher = await broker.connect("publisher");
  for (const i of numbers(20)) await publisher.publish(`a/${i}`, "kept", 2, true);
  const sub = await broker.connect("sub", { hold: true });
  await sub.subscribe("a/#", 2);
  for (const i of numbers(100)) await publisher.publish("a/live", String(i), i % 2 === 0 ? 1 : 2);
  await sub.publishes.waitFor("all", items => items.length === 120 || undefined);
  const ids = sub.publishes.items.map(({ packetId }) => packetId ?? 0);
  assert.equal(new Set(ids).size, 120);
  assert.ok(!ids.includes(0));
});

test("[MQTT-2.3.1-5] a message at QoS 0 has no packet identifier, and no DUP [MQTT-3.3.1-2, 4.3.1-1]", async t => {
  const broker = await ObservedBroker.start(t);
  const sub = await broker.connect("sub");
  await sub.subscribe("a", 0);
  const publisher = await broker.connect("publisher");
  for (const qos of ALL_QOS) publisher.socket.write(publishPacket("a", "x", qos, 7, qos > 0 ? DUP : 0));
  publisher.acknowledge(PacketType.pubrel, 7);
  await publisher.publish("a", "end", 1);
  await sub.message("end");
  const came = sub.packets.items.filter(({ type }) => type === PacketType.publish).slice(0, 3);
  assert.deepEqual(
    came.map(({ flags, body }) => [flags, body.toString()]),
    ALL_QOS.map(() => [0, "\0\x01ax"]),
  );
});

test("[MQTT-2.3.1-6] each PUBLISH is answered as its QoS says, with its packet identifier [MQTT-3.3.4-1]", async t => {
  const broker = await ObservedBroker.start(t);
  const { puback, pubrec, pubcomp, pingresp } = PacketType;
  for (const [i, id] of [1, 255, 256, 0xfffe, 0xffff].entries()) {
    const client = await broker.connect(`client${i}`);
    for (const qos of ALL_QOS) {
      client.socket.write(publishPacket("a", "x", qos, id));
      if (qos === 2) await client.packet("PUBCOMP", pubcomp, id);
    }
    await client.ping();
    const answers = client.packets.items.slice(1).map(({ type, flags, body }) => [type, flags, ...body]);
    const idBytes = [id >> 8, id & 0xff];
    assert.deepEqual(answers, [
      [puback, 0, ...idBytes],
      [pubrec, 0, ...idBytes],
      [pubcomp, 0, ...idBytes],
      [pingresp, 0],
    ]);
  }
});

test("[MQTT-2.3.1-7] SUBACK and UNSUBACK have the packet identifier that they answer [MQTT-3.8.4-1, -2, -5, 3.10.4-4]", async t => {
  const broker = await ObservedBroker.start(t);
  const client = await broker.connect("client");
  const ids = [1, 255, 256, 0xffff];
  for (const id of ids)
    client.socket.write(Buffer.concat([subscribePacket(id, [["a", 1]]), unsubscribePacket(id, ["a"])]));
  await client.packet("the last", PacketType.unsuback, 0xffff);
  const answers = (wanted: number) =>
    client.packets.items.filter(({ type }) => type === wanted).map(({ flags, body }) => [flags, ...body]);
  assert.deepEqual(
    answers(PacketType.suback),
    ids.map(id => [0, id >> 8, id & 0xff, 1]),
  );
  assert.deepEqual(
    answers(PacketType.unsuback),
    ids.map(id => [0, id >> 8, id & 0xff]),
  );
});

test("packet identifiers are a client's own: two use the same ones at once", async t => {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("a");
  const clients = await Promise.all(["one", "two"].map(id => broker.connect(id, { holdPubrel: true })));
  for (const [i, client] of clients.entries()) client.socket.write(publishPacket("a", `of ${i}`, 2, 5));
  for (const client of clients) {
    await client.packet("PUBREC", PacketType.pubrec, 5);
    client.acknowledge(PacketType.pubrel, 5);
    await client.packet("PUBCOMP", PacketType.pubcomp, 5);
  }
  await clients[0]?.publish("a", "end", 1);
  assert.deepEqual((await watcher.payloadsBefore("end")).toSorted(), ["of 0", "of 1"]);
});

// 3.3: PUBLISH.

test("[MQTT-3.3.1-3] DUP of a PUBLISH that comes in is not passed on, nor kept with what is retained", async t => {
  const broker = await ObservedBroker.start(t);
  const subs = await Promise.all(ALL_QOS.map(qos => broker.connect(`sub${qos}`)));
  for (const [qos, sub] of subs.entries()) await sub.subscribe("a", qos as QoS);
  const publisher = await broker.connect("publisher");
  for (const qos of [1, 2] as const) {
    publisher.socket.write(publishPacket("a", `at ${qos}`, qos, 1000 + qos, DUP | RETAIN));
    for (const sub of subs) assert.equal((await sub.message(`at ${qos}`)).dup, false);
    await publisher.ping();
    const kept = await retainedFor(broker, [["a", 2]]);
    assert.deepEqual(kept, [
      { topic: "a", payload: `at ${qos}`, qos, retain: true, dup: false, packetId: kept[0]?.packetId ?? 0 },
    ]);
  }
});

for (const old of ALL_QOS)
  for (const qos of ALL_QOS)
    test(`[MQTT-3.3.1-5] a retained message at QoS ${qos} replaces one at QoS ${old}, and is kept with its QoS${qos === 0 ? " [MQTT-3.3.1-7]" : ""}`, async t => {
      const broker = await ObservedBroker.start(t);
      const publisher = await broker.connect("publisher");
      await publisher.publish("a", "old", old, true);
      await publisher.publish("a", "new", qos, true);
      for (const clean of [true, false]) {
        const found = await retainedFor(broker, [["a", 2]], { clean });
        assert.deepEqual(
          found.map(({ payload, qos: at, retain, dup }) => ({ payload, at, retain, dup })),
          [{ payload: "new", at: qos, retain: true, dup: false }], // [MQTT-3.3.1-8]
        );
      }
    });

test("[MQTT-3.3.1-6] a new subscription gets the last retained message of each topic that matches, and no other", async t => {
  const broker = await ObservedBroker.start(t);
  const publisher = await broker.connect("publisher");
  for (const topic of ["a/1", "a/2", "b/1", "a/1"]) {
    await publisher.publish(topic, `old ${topic}`, 1, true);
    await publisher.publish(topic, topic, 1, true);
  }
  const payloads = (await retainedFor(broker, [["a/+", 1]])).map(({ payload }) => payload);
  assert.deepEqual(payloads.toSorted(), ["a/1", "a/2"]);
});

test("[MQTT-3.3.1-9] a live message has retain flag 0, however it was published", async t => {
  const broker = await ObservedBroker.start(t);
  const publisher = await broker.connect("publisher");
  for (const subscribed of ALL_QOS) {
    const sub = await broker.connect(`sub${subscribed}`);
    await sub.subscribe(`a/${subscribed}`, subscribed);
    for (const qos of ALL_QOS) {
      await publisher.publish(`a/${subscribed}`, `at ${qos}`, qos, true);
      const { retain, qos: at } = await sub.message(`at ${qos}`);
      assert.deepEqual([retain, at], [false, Math.min(qos, subscribed)]);
    }
  }
});

for (const old of ALL_QOS)
  for (const qos of ALL_QOS)
    test(`[MQTT-3.3.1-10] an empty retained message at QoS ${qos} goes out as any other, and clears one at QoS ${old} [MQTT-3.3.1-11]`, async t => {
      const broker = await ObservedBroker.start(t);
      const publisher = await broker.connect("publisher");
      await publisher.publish("a", "kept", old, true);
      const sub = await broker.connect("sub");
      await sub.subscribe("a", 2);
      await publisher.publish("a", "", qos, true);
      await publisher.publish("b", "", qos, true); // where there was none
      const empty = await sub.message("");
      assert.deepEqual([empty.topic, empty.qos, empty.retain], ["a", qos, false]);
      assert.deepEqual(await retainedFor(broker, [["#", 2]]), []);
    });

test("[MQTT-3.3.1-12] a message that is not to be retained leaves the retained one as it is, and is not kept", async t => {
  const broker = await ObservedBroker.start(t);
  const publisher = await broker.connect("publisher");
  await publisher.publish("a", "kept", 1, true);
  for (const qos of ALL_QOS)
    for (const topic of ["a", "b"])
      for (const payload of ["live", ""]) await publisher.publish(topic, payload, qos);
  const found = await retainedFor(broker, [["#", 2]]);
  assert.deepEqual(
    found.map(({ topic, payload, qos }) => [topic, payload, qos]),
    [["a", "kept", 1]],
  );
});

test("[MQTT-3.3.5-1] overlapping filters of a clean session: a message comes at the highest QoS of those that match", async t => {
  const broker = await ObservedBroker.start(t);
  const sub = await broker.connect("sub");
  for (const [topicFilter, qos] of [
    ["a/b", 0],
    ["a/+", 2],
    ["a/#", 1],
    ["b/#", 2],
    ["b/c", 0],
    ["c/#", 0],
    ["c/d", 1],
  ] as const)
    await sub.subscribe(topicFilter, qos);
  const publisher = await broker.connect("publisher");
  for (const topic of ["a/b", "b/c", "c/d", "c/e"]) await publisher.publish(topic, topic, 2);
  await publisher.publish("a/b", "end", 2);
  await sub.message("end");
  assert.deepEqual(
    sub.publishes.items.map(({ topic, qos }) => [topic, qos]),
    [
      ["a/b", 2],
      ["b/c", 2],
      ["c/d", 1],
      ["c/e", 0],
      ["a/b", 2],
    ],
  );
});

for (const qos of ALL_QOS)
  test(`[MQTT-3.3.5-2] a PUBLISH at QoS ${qos} that is not allowed: acknowledged or closed, and nobody gets it`, async t => {
    const broker = await ObservedBroker.start(t);
    const watcher = await broker.watcher("$SYS/#");
    await watcher.subscribe("marker", 1);
    const writer = await broker.connect("writer");
    writer.socket.write(publishPacket("$SYS/a", "x", qos, 1, RETAIN));
    await writer.closed;
    const publisher = await broker.connect("publisher");
    await publisher.publish("marker", "marker", 1);
    assert.deepEqual(await watcher.payloadsBefore("marker"), []);
    assert.deepEqual(await retainedFor(broker, [["$SYS/a", 2]]), []);
  });

// 3.8, 3.9: SUBSCRIBE and SUBACK.

for (const [before, after] of [
  [0, 2],
  [2, 0],
  [1, 1],
] as const)
  test(`[MQTT-3.8.4-3] the same filter again, at QoS ${after} after ${before}: it replaces, retained messages come again`, async t => {
    const broker = await ObservedBroker.start(t);
    const publisher = await broker.connect("publisher");
    await publisher.publish("a/b", "kept", 2, true);
    for (const clean of [true, false]) {
      const sub = await broker.connect(`sub ${clean}`, { clean });
      const kept = (count: number) =>
        sub.publishes.waitFor(`kept ${count}`, all => {
          const found = all.filter(({ payload }) => payload === "kept");
          return found.length === count ? found : undefined;
        });
      await sub.subscribe("a/+", before);
      await kept(1);
      assert.equal(await sub.subscribe("a/+", after), after);
      const seen = (await kept(2)).map(({ qos, retain, dup }) => ({ qos, retain, dup }));
      assert.deepEqual(seen, [
        { qos: before, retain: true, dup: false },
        { qos: after, retain: true, dup: false },
      ]);
      await publisher.publish("a/b", "live", 2);
      await publisher.publish("a/b", "end", 2);
      await sub.message("end");
      const live = sub.publishes.items.filter(({ payload }) => payload === "live");
      assert.deepEqual(
        live.map(({ qos }) => qos),
        [after],
      );
    }
  });

test("[MQTT-3.8.4-3] while a filter is replaced no message is lost or comes twice", async t => {
  const broker = await ObservedBroker.start(t);
  for (const clean of [true, false]) {
    const sub = await broker.connect("sub", { clean });
    await sub.subscribe("a", 2);
    const publisher = await broker.connect("publisher");
    const payloads = numbers(300).map(String);
    const published = Promise.all(payloads.map(payload => publisher.publish("a", payload, 1)));
    for (const i of numbers(30)) await sub.subscribe("a", ((i % 2) + 1) as QoS);
    await published;
    await publisher.publish("a", "end", 1);
    assert.deepEqual(await sub.payloadsBefore("end"), payloads);
  }
});

for (const clean of [true, false])
  test(`[MQTT-3.8.4-4] many filters in one SUBSCRIBE are as many, one after the other, clean session ${clean}`, async t => {
    const broker = await ObservedBroker.start(t);
    const publisher = await broker.connect("publisher");
    for (const topic of ["a", "b", "c"]) await publisher.publish(topic, `kept ${topic}`, 2, true);
    const sub = await broker.connect("sub", { clean });
    sub.socket.write(
      subscribePacket(1, [
        ["a", 2],
        ["b", 0],
        ["c", 1],
        ["b", 1],
        ["a", 0],
      ]),
    );
    const { body } = await sub.packet("SUBACK", PacketType.suback, 1);
    assert.deepEqual([...body], [0, 1, 2, 0, 1, 1, 0]); // [MQTT-3.8.4-5], [MQTT-3.9.3-1]
    for (const topic of ["a", "b", "c"]) await sub.message(`kept ${topic}`);
    for (const topic of ["a", "b", "c"]) await publisher.publish(topic, `live ${topic}`, 2);
    for (const [topic, qos] of [
      ["a", 0],
      ["b", 1],
      ["c", 1],
    ] as const)
      assert.equal((await sub.message(`live ${topic}`)).qos, qos);
    assert.equal(idsOf(sub, PacketType.suback).length, 1);
  });

test("[MQTT-3.8.4-4] overlapping filters in one SUBSCRIBE: a retained message comes for each, at its QoS", async t => {
  const broker = await ObservedBroker.start(t);
  const publisher = await broker.connect("publisher");
  await publisher.publish("a/b", "kept", 2, true);
  const one = await broker.connect("one by one");
  for (const [topicFilter, qos] of [
    ["a/b", 1],
    ["a/+", 0],
  ] as const)
    await one.subscribe(topicFilter, qos);
  const inOrder = await one.publishes.waitFor("twice", all => (all.length === 2 ? all : undefined));
  const qosOf = (all: { qos: QoS }[]) => all.map(({ qos }) => qos).toSorted((a, b) => a - b);
  const inOne = await retainedFor(broker, [
    ["a/b", 1],
    ["a/+", 0],
  ]);
  assert.deepEqual(qosOf(inOne), qosOf(inOrder));
});

test("[MQTT-3.8.4-6] a retained message comes at the QoS of the filter that asks, whatever others the session has", async t => {
  const broker = await ObservedBroker.start(t);
  const publisher = await broker.connect("publisher");
  await publisher.publish("a/b", "kept", 2, true);
  const sub = await broker.connect("sub");
  await sub.subscribe("a/+", 2);
  await sub.message("kept");
  await sub.subscribe("a/b", 0);
  const all = await sub.publishes.waitFor("again", items => (items.length === 2 ? items : undefined));
  assert.deepEqual(
    all.map(({ qos }) => qos),
    [2, 0],
  );
});

test("[MQTT-3.9.3-2] SUBACK has the return codes 0, 1 and 2 in the order of the filters", async t => {
  const broker = await ObservedBroker.start(t);
  const client = await broker.connect("client");
  const requested = numbers(200).map(i => ((i * 7) % 3) as QoS);
  client.socket.write(
    subscribePacket(
      1,
      requested.map((qos, i) => [`a/${i}`, qos]),
    ),
  );
  const { body } = await client.packet("SUBACK", PacketType.suback, 1);
  assert.deepEqual([...body.subarray(2)], requested);
});

test("a SUBSCRIBE and an UNSUBSCRIBE just before DISCONNECT count", async t => {
  const broker = await ObservedBroker.start(t);
  const leave = async (nth: number, bytes: Buffer) => {
    const sub = await broker.connect("sub", { clean: false });
    sub.socket.write(Buffer.concat([bytes, DISCONNECT]));
    await broker.event("session-stored", "sub", nth);
  };
  await leave(
    1,
    subscribePacket(1, [
      ["a", 1],
      ["b", 1],
    ]),
  );
  await leave(2, unsubscribePacket(2, ["a"]));
  const publisher = await broker.connect("publisher");
  await publisher.publish("a", "hidden", 1);
  await publisher.publish("b", "end", 1);
  const sub = await broker.connect("sub", { clean: false });
  assert.deepEqual(await sub.payloadsBefore("end"), []);
});

// 3.10, 3.11: UNSUBSCRIBE and UNSUBACK.

for (const clean of [true, false])
  test(`[MQTT-3.10.4-1] UNSUBSCRIBE takes away the filter with the very same characters, clean session ${clean}`, async t => {
    const broker = await ObservedBroker.start(t);
    const sub = await broker.connect("sub", { clean });
    for (const topicFilter of ["a/+", "marker"]) await sub.subscribe(topicFilter, 1);
    const publisher = await broker.connect("publisher");
    // Answered though nothing matched [MQTT-3.10.4-5].
    for (const other of ["a/b", "A/+", "a/#", "a/+/", "/a/+", "a", "#", "+/+", "a/+ ", "toString"]) {
      await sub.unsubscribe(other);
      await publisher.publish("a/b", `after ${other}`, 1);
      await sub.message(`after ${other}`);
    }
    await sub.unsubscribe("a/+");
    await publisher.publish("a/b", "hidden", 1); // [MQTT-3.10.4-2]
    await publisher.publish("marker", "end", 1);
    assert.equal((await sub.payloadsBefore("end")).includes("hidden"), false);
    await sub.unsubscribe("a/+");
    assert.equal(broker.all("unsubscribed", "sub").length, 1);
  });

test("[MQTT-3.10.4-2] an UNSUBSCRIBE of one of two overlapping filters leaves the other, at its QoS", async t => {
  const broker = await ObservedBroker.start(t);
  const sub = await broker.connect("sub");
  await sub.subscribe("a/#", 1);
  await sub.subscribe("a/b", 2);
  await sub.unsubscribe("a/b");
  const publisher = await broker.connect("publisher");
  await publisher.publish("a/b", "x", 2);
  await publisher.publish("a/b", "end", 2);
  assert.deepEqual(await sub.payloadsBefore("end"), ["x"]);
  assert.equal((await sub.message("x")).qos, 1);
});

for (const qos of [1, 2] as const)
  for (const clean of [true, false])
    test(`[MQTT-3.10.4-3] what was sent at QoS ${qos} before the UNSUBSCRIBE is carried through, clean session ${clean}`, async t => {
      const broker = await ObservedBroker.start(t);
      const sub = await broker.connect("sub", { clean, hold: true });
      await sub.subscribe("a", qos);
      const publisher = await broker.connect("publisher");
      for (const payload of ["one", "two"]) await publisher.publish("a", payload, qos);
      const id = (await sub.message("one")).packetId ?? 0;
      const second = (await sub.message("two")).packetId ?? 0;
      await sub.unsubscribe("a");
      sub.acknowledge(qos === 1 ? PacketType.puback : PacketType.pubrec, id);
      if (qos === 2) {
        await sub.packet("PUBREL", PacketType.pubrel, id);
        sub.acknowledge(PacketType.pubcomp, id);
      }
      const { packetId } = await broker.event("message-acknowledged", "sub");
      assert.equal(packetId, id);
      if (clean) return;
      await broker.dropped(sub, "sub");
      const again = await broker.connect("sub", { clean });
      const two = await again.message("two");
      assert.deepEqual([two.packetId, two.dup], [second, true]);
    });

test("[MQTT-3.10.4-6] many filters in one UNSUBSCRIBE are as many, one after the other, with one UNSUBACK", async t => {
  const broker = await ObservedBroker.start(t);
  for (const clean of [true, false]) {
    const sub = await broker.connect(`sub ${clean}`, { clean });
    for (const topicFilter of ["a", "b/+", "c/#", "d"]) await sub.subscribe(topicFilter, 1);
    sub.socket.write(unsubscribePacket(77, ["a", "nothing", "b/+", "a", "c/#"]));
    await sub.packet("UNSUBACK", PacketType.unsuback, 77);
    const publisher = await broker.connect("publisher");
    for (const topic of ["a", "b/1", "c", "c/1"]) await publisher.publish(topic, topic, 1);
    await publisher.publish("d", "end", 1);
    assert.deepEqual(await sub.payloadsBefore("end"), []);
    assert.deepEqual(idsOf(sub, PacketType.unsuback), [77]);
  }
});

test("of a filter that an UNSUBSCRIBE has twice it is told once that it is gone", async t => {
  const broker = await ObservedBroker.start(t);
  const sub = await broker.connect("sub");
  for (const topicFilter of ["a", "b"]) await sub.subscribe(topicFilter, 1);
  sub.socket.write(unsubscribePacket(77, ["a", "nothing", "b", "a"]));
  await sub.packet("UNSUBACK", PacketType.unsuback, 77);
  const told = broker.all("unsubscribed", "sub").map(({ topicFilter }) => topicFilter);
  assert.deepEqual(told, ["a", "b"]);
});

// 4.3: quality of service.

test("[MQTT-4.3.2-1] a QoS 1 message is sent with DUP 0 and is owed until its PUBACK", async t => {
  const broker = await ObservedBroker.start(t);
  const sub = await broker.connect("sub", { clean: false, hold: true });
  await sub.subscribe("a", 1);
  const publisher = await broker.connect("publisher");
  for (const payload of ["1", "2", "3"]) await publisher.publish("a", payload, 1);
  const { packetId, dup, qos } = await sub.message("2");
  assert.deepEqual([dup, qos], [false, 1]);
  sub.acknowledge(PacketType.puback, packetId ?? 0);
  await sub.ping();
  assert.equal((await broker.dropped(sub, "sub")).queued, 2);
  const again = await broker.connect("sub", { clean: false });
  await publisher.publish("a", "end", 1);
  assert.deepEqual(await again.payloadsBefore("end"), ["1", "3"]);
});

test("[MQTT-4.3.2-2] after its PUBACK a packet identifier is a new message's, whatever DUP says", async t => {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("a");
  const publisher = await broker.connect("publisher");
  for (const [i, flags] of [0, 0, DUP].entries()) {
    publisher.socket.write(publishPacket("a", String(i), 1, 500, flags));
    await publisher.packets.waitFor("PUBACK", () =>
      idsOf(publisher, PacketType.puback).length === i + 1 ? true : undefined,
    );
  }
  await publisher.publish("a", "end", 1);
  assert.deepEqual(await watcher.payloadsBefore("end"), ["0", "1", "2"]);
  assert.deepEqual(idsOf(publisher, PacketType.puback), [500, 500, 500, 1]);
});

for (const clean of [true, false]) {
  test(`[MQTT-4.3.3-1] after PUBREC only PUBREL is owed, until PUBCOMP, clean session ${clean}`, async t => {
    const broker = await ObservedBroker.start(t);
    const sub = await broker.connect("sub", { clean, hold: true });
    await sub.subscribe("a", 2);
    const publisher = await broker.connect("publisher");
    await publisher.publish("a", "x", 2);
    const { packetId, dup, qos } = await sub.message("x");
    assert.deepEqual([dup, qos], [false, 2]);
    const id = packetId ?? 0;
    for (const times of [1, 2]) {
      sub.acknowledge(PacketType.pubrec, id);
      await sub.packets.waitFor("PUBREL", () => idsOf(sub, PacketType.pubrel).length === times || undefined);
    }
    const pubrel = await sub.packet("PUBREL", PacketType.pubrel, id);
    assert.equal(pubrel.flags, 2); // [MQTT-3.6.1-1]
    sub.acknowledge(PacketType.pubcomp, id);
    const told = await broker.event("message-acknowledged", "sub");
    assert.deepEqual([told.packetId, told.queued], [id, 0]);
    assert.equal(sub.publishes.items.length, 1);
  });

  test(`[MQTT-4.3.3-2] the same packet identifier before PUBREL is no new message, after PUBCOMP it is, clean session ${clean}`, async t => {
    const broker = await ObservedBroker.start(t);
    const watcher = await broker.watcher("a");
    const publisher = await broker.connect("publisher", { clean, holdPubrel: true });
    const recs = (count: number) =>
      publisher.packets.waitFor(
        "PUBREC",
        () => idsOf(publisher, PacketType.pubrec).length === count || undefined,
      );
    publisher.socket.write(publishPacket("a", "first", 2, 700));
    await recs(1);
    for (const [i, flags] of [DUP, 0].entries()) {
      publisher.socket.write(publishPacket("a", `again ${i}`, 2, 700, flags | RETAIN));
      await recs(i + 2);
    }
    // At once, too.
    const both = [publishPacket("a", "second", 2, 701), publishPacket("a", "again", 2, 701, DUP)];
    publisher.socket.write(Buffer.concat(both));
    await recs(5);
    publisher.acknowledge(PacketType.pubrel, 700);
    await publisher.packet("PUBCOMP", PacketType.pubcomp, 700);
    publisher.socket.write(publishPacket("a", "new", 2, 700, DUP));
    await recs(6);
    await publisher.publish("a", "end", 1);
    assert.deepEqual(await watcher.payloadsBefore("end"), ["first", "second", "new"]);
    assert.deepEqual(await retainedFor(broker, [["a", 2]]), []);
  });

  test(`[MQTT-4.3.3-2] a PUBREL for an unknown packet identifier is answered with PUBCOMP, clean session ${clean}`, async t => {
    const broker = await ObservedBroker.start(t);
    const client = await broker.connect("client", { clean });
    for (const id of [1, 4000, 0xffff]) client.acknowledge(PacketType.pubrel, id);
    await client.packet("the last PUBCOMP", PacketType.pubcomp, 0xffff);
    // Also once more for one that was known.
    await client.publish("a", "x", 2);
    client.acknowledge(PacketType.pubrel, 1);
    await client.packets.waitFor(
      "PUBCOMP",
      () => idsOf(client, PacketType.pubcomp).length === 5 || undefined,
    );
    assert.deepEqual(idsOf(client, PacketType.pubcomp), [1, 4000, 0xffff, 1, 1]);
  });
}

test("[MQTT-4.3.3-2] a clean session knows none of the packet identifiers of an earlier connection", async t => {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("a");
  for (const [i, clean] of [false, true, true, false].entries()) {
    const client = await broker.connect("client", { clean, holdPubrel: true });
    client.socket.write(publishPacket("a", String(i), 2, 3));
    await client.packet("PUBREC", PacketType.pubrec, 3);
    client.disconnect();
    await client.closed;
  }
  const publisher = await broker.connect("publisher");
  await publisher.publish("a", "end", 1);
  assert.deepEqual(await watcher.payloadsBefore("end"), ["0", "1", "2", "3"]);
});

// 4.4, 4.5, 4.6: sending again, taking over, order.

test("[MQTT-4.4.0-1] after a reconnect PUBLISH and PUBREL that are owed come again as often as it takes, in order [MQTT-4.6.0-1, -4]", async t => {
  const broker = await ObservedBroker.start(t);
  const first = await broker.connect("sub", { clean: false, hold: true });
  for (const [topicFilter, qos] of [
    ["a", 2],
    ["b", 1],
  ] as const)
    await first.subscribe(topicFilter, qos);
  const publisher = await broker.connect("publisher");
  for (const i of numbers(12)) await publisher.publish(i % 3 === 0 ? "b" : "a", String(i), 2);
  await first.message("12");
  const ids = first.publishes.items.map(({ packetId }) => packetId ?? 0);
  const released = [0, 1, 3].map(i => ids[i] ?? 0);
  for (const id of released) first.acknowledge(PacketType.pubrec, id);
  await first.packet("PUBREL", PacketType.pubrel, released[2]);
  const expected = first.publishes.items
    .filter(({ packetId }) => !released.includes(packetId ?? 0))
    .map(each => ({ ...each, dup: true }));
  let last = first;
  for (const nth of [1, 2, 3]) {
    assert.equal((await broker.dropped(last, "sub", nth)).queued, 12);
    last = await broker.connect("sub", { clean: false, hold: true });
    await last.message("12");
    assert.deepEqual(last.publishes.items, expected);
    assert.deepEqual(idsOf(last, PacketType.pubrel), released);
  }
});

test("[MQTT-4.5.0-1] a message is added to each session that has a matching subscription, connected or not", async t => {
  const broker = await ObservedBroker.start(t);
  const kinds = [
    ["away", false, "a/b"],
    ["away too", false, "a/#"],
    ["not subscribed", false, "b"],
    ["clean", true, "a/+"],
    ["connected", false, "+/b"],
  ] as const;
  for (const [id, clean, topicFilter] of kinds) {
    const client = await broker.connect(id, { clean });
    await client.subscribe(topicFilter, 1);
    await client.subscribe("marker", 1);
    if (clean || id === "connected") continue;
    await broker.dropped(client, id);
  }
  const publisher = await broker.connect("publisher");
  for (const qos of [1, 2] as const) await publisher.publish("a/b", `at ${qos}`, qos);
  await publisher.publish("marker", "end", 1);
  const queued = ["away", "away too", "not subscribed", "clean", "connected"].map(
    id => broker.all("message-queued", id).length,
  );
  assert.deepEqual(queued, [3, 3, 1, 0, 0]);
  for (const [id, expected] of [
    ["away", 2],
    ["away too", 2],
    ["not subscribed", 0],
  ] as const) {
    const back = await broker.connect(id, { clean: false });
    assert.equal((await back.payloadsBefore("end")).length, expected);
  }
});

/** Several at once, at one QoS, from packet identifier `first` on. */
const burst = (qos: QoS, count: number, first: number) =>
  Buffer.concat(
    numbers(count, first).map(id => publishPacket(`a/${id % 3}`, String(id), qos, id, id % 5 ? 0 : RETAIN)),
  );

for (const clean of [true, false])
  test(`[MQTT-4.6.0-2] PUBACK, PUBREC and PUBCOMP come in the order of what they answer, clean session ${clean} [MQTT-4.6.0-3]`, async t => {
    const broker = await ObservedBroker.start(t);
    const client = await broker.connect("client", { clean, holdPubrel: true });
    client.socket.write(Buffer.concat([burst(1, 300, 1), burst(2, 300, 1001)]));
    await client.packet("PUBACK", PacketType.puback, 300);
    await client.packet("PUBREC", PacketType.pubrec, 1300);
    assert.deepEqual(idsOf(client, PacketType.puback), numbers(300));
    assert.deepEqual(idsOf(client, PacketType.pubrec), numbers(300, 1001));
    const pubrels = numbers(300, 1001).map(id => packet(0x62, uint16(id)));
    client.socket.write(Buffer.concat(pubrels));
    await client.packet("PUBCOMP", PacketType.pubcomp, 1300);
    assert.deepEqual(idsOf(client, PacketType.pubcomp), numbers(300, 1001));
  });

for (const clean of [true, false])
  test(`[MQTT-4.6.0-4] PUBREL come in the order of the PUBRECs, clean session ${clean}`, async t => {
    const broker = await ObservedBroker.start(t);
    const sub = await broker.connect("sub", { clean, hold: true });
    await sub.subscribe("a/#", 2);
    const publisher = await broker.connect("publisher");
    publisher.socket.write(burst(2, 300, 1));
    await sub.message("300");
    const ids = sub.publishes.items.map(({ packetId }) => packetId ?? 0);
    sub.socket.write(Buffer.concat(ids.map(id => packet(0x50, uint16(id)))));
    await sub.packet("the last PUBREL", PacketType.pubrel, ids.at(-1));
    assert.deepEqual(idsOf(sub, PacketType.pubrel), ids);
  });

for (const qos of ALL_QOS)
  test(`[MQTT-4.6.0-5] messages at QoS ${qos} arrive in the order of their publisher, at each QoS [MQTT-4.6.0-6]`, async t => {
    const broker = await ObservedBroker.start(t);
    const subs = await Promise.all(ALL_QOS.map(subscribed => broker.connect(`sub${subscribed}`)));
    for (const [subscribed, sub] of subs.entries()) await sub.subscribe("a/#", subscribed as QoS);
    const publisher = await broker.connect("publisher");
    publisher.socket.write(burst(qos, 500, 1001));
    await publisher.publish("a/1", "end", qos);
    for (const sub of subs) assert.deepEqual(await sub.payloadsBefore("end"), numbers(500, 1001).map(String));
  });

test("[MQTT-4.6.0-6] what was sent comes again in its order, before what is new, also past the first 1000", async t => {
  const broker = await ObservedBroker.start(t);
  const first = await broker.connect("sub", { clean: false, hold: true });
  await first.subscribe("a/#", 1);
  const publisher = await broker.connect("publisher");
  publisher.socket.write(burst(1, 1500, 1));
  await publisher.packet("the last PUBACK", PacketType.puback, 1500);
  await first.message("1000");
  for (const { packetId } of first.publishes.items.slice(0, 10))
    first.acknowledge(PacketType.puback, packetId ?? 0);
  await first.message("1010");
  await broker.dropped(first, "sub");
  publisher.socket.write(burst(1, 100, 1501));
  await publisher.packet("the last PUBACK", PacketType.puback, 1600);
  const second = await broker.connect("sub", { clean: false });
  await second.message("1600");
  assert.deepEqual(
    second.publishes.items.map(({ payload, dup }) => [Number(payload), dup]),
    numbers(1590, 11).map(i => [i, i <= 1010]),
  );
});

// 4.7: topic names and filters.

const topics = [
  "a",
  "A",
  "a/b",
  "a/b/c",
  "/a",
  "a/",
  "/",
  "//",
  "a//b",
  "a/ /b",
  "/finance",
  "finance",
  " a",
  "a b",
  "sport/tennis",
  "sport/tennis/",
  "sport/tennis/player1",
  "sport/tennis/player1/ranking",
  "sport",
  "$own",
  "$own/a",
  "$own/a/b",
  "b/$own",
  "\u00e9",
  "e\u0301",
  "\ufeff",
  "\ufeffa",
  "\uffff",
  "\u{1f600}/\u0001",
  "__proto__",
  "constructor/prototype",
];
const filters: [clause: string, topicFilter: string, matches: RegExp][] = [
  ["4.7.1-2", "#", /^[^$]/su],
  ["4.7.1-2", "sport/tennis/#", /^sport\/tennis($|\/)/],
  ["4.7.1-2", "sport/tennis/player1/#", /^sport\/tennis\/player1($|\/)/],
  ["4.7.1-2", "a/#", /^a($|\/)/],
  ["4.7.1-2", "/#", /^\//],
  ["4.7.1-3", "+", /^[^$/][^/]*$/su],
  ["4.7.1-3", "+/+", /^([^$/][^/]*)?\/[^/]*$/su],
  ["4.7.1-3", "/+", /^\/[^/]*$/],
  ["4.7.1-3", "a/+", /^a\/[^/]*$/],
  ["4.7.1-3", "a/+/b", /^a\/[^/]*\/b$/],
  ["4.7.1-3", "+/b/#", /^a\/b(\/c)?$/],
  ["4.7.1-3", "+/tennis/#", /^sport\/tennis($|\/)/],
  ["4.7.1-3", "sport/+", /^sport\/tennis$/],
  ["4.7.1-3", "sport/tennis/+", /^sport\/tennis\/[^/]*$/],
  ["4.7.1-3", "a/+/#", /^a\//],
  ["4.7.1-3", "+/+/+", /^([^$/][^/]*)?\/[^/]*\/[^/]*$/su],
  ["4.7.2-1", "+/a", /^\/a$/],
  ["4.7.2-1", "+/a/b", /^never$/],
  ["4.7.2-1", "$own/#", /^\$own/],
  ["4.7.2-1", "$own/+", /^\$own\/a$/],
  ["4.7.2-1", "$own/+/b", /^\$own\/a\/b$/],
  ["4.7.2-1", "b/+", /^b\/\$own$/],
  ["4.7.3-1", "/", /^\/$/],
  ["4.7.3-1", "//", /^\/\/$/],
  ["4.7.3-1", "a//b", /^a\/\/b$/],
  ["4.7.3-1", " a", /^ a$/],
  ["4.7.3-1", "a b", /^a b$/],
  ["4.7.3-4", "A", /^A$/],
  ["4.7.3-4", "a", /^a$/],
  ["4.7.3-4", "a/", /^a\/$/],
  ["4.7.3-4", "/finance", /^\/finance$/],
  ["4.7.3-4", "\u00e9", /^\u00e9$/],
  ["4.7.3-4", "e\u0301", /^e\u0301$/],
  ["4.7.3-4", "\ufeff", /^\ufeff$/],
  ["4.7.3-4", "\ufeffa", /^\ufeffa$/],
  ["4.7.3-4", "\uffff", /^\uffff$/],
  ["4.7.3-4", "\u{1f600}/+", /^\u{1f600}\/\u0001$/u],
  ["4.7.3-4", "__proto__", /^__proto__$/],
  ["4.7.3-4", "constructor/#", /^constructor\/prototype$/],
];
for (const retained of [false, true])
  for (const [clause, topicFilter, matches] of filters)
    test(`[MQTT-${clause}] ${JSON.stringify(topicFilter)} matches what it should of ${retained ? "retained" : "live"} messages, and no more [MQTT-3.3.2-3]`, async t => {
      const broker = await ObservedBroker.start(t);
      const publisher = await broker.connect("publisher");
      const publishAll = async () => {
        publisher.socket.write(
          Buffer.concat(
            topics.map((topic, i) => publishPacket(topic, `:${topic}`, 1, 1001 + i, retained ? RETAIN : 0)),
          ),
        );
        await publisher.packet("the last PUBACK", PacketType.puback, 1000 + topics.length);
      };
      const live = async () => {
        const sub = await broker.connect("sub");
        for (const each of [topicFilter, "the/marker"]) await sub.subscribe(each, 1);
        await publishAll();
        await publisher.publish("the/marker", "end", 1);
        await sub.message("end");
        return sub.publishes.items.filter(({ topic }) => topic !== "the/marker");
      };
      if (retained) await publishAll();
      const found = retained ? await retainedFor(broker, [[topicFilter, 1]]) : await live();
      const expected = topics.filter(topic => matches.test(topic)).toSorted();
      assert.deepEqual(found.map(({ topic }) => topic).toSorted(), expected);
      assert.ok(found.every(({ topic, payload }) => payload === `:${topic}`));
    });

test("[MQTT-4.7.3-3] a topic name and a filter may be 65535 bytes long", async t => {
  const broker = await ObservedBroker.start(t, { limits: { "topic-bytes": 65_535 } });
  const long = "\u00e9".repeat(32_767);
  const sub = await broker.connect("sub");
  for (const topicFilter of [`a${long}`, `b${long.slice(1)}/+`]) await sub.subscribe(topicFilter, 1);
  const publisher = await broker.connect("publisher");
  for (const topic of [`a${long}`, `b${long.slice(1)}/c`]) {
    await publisher.publish(topic, topic.slice(0, 1), 1);
    assert.equal((await sub.message(topic.slice(0, 1))).topic, topic);
  }
});

test("no node of a topic tree is left when the last subscription is gone", t => {
  const set = t.mock.method(Map.prototype, "set");
  const tree = new SubscriptionTrie<string, number>();
  const wanted = ["a", "a/b", "a/b/c", "a/+/#", "#", "/", "a//b", "a/b"];
  for (const subscriber of ["one", "two"])
    for (const topicFilter of wanted) tree.set(topicFilter, subscriber, 1);
  const maps = () => new Set(set.mock.calls.map(call => call.this as Map<unknown, unknown>));
  const size = () => [...maps()].reduce((sum, map) => sum + map.size, 0);
  const full = size();
  assert.ok(full > 0);
  for (const topicFilter of ["x", "a/x", "a/b/c/d", "a/+"]) tree.delete(topicFilter, "one");
  tree.delete("a/b/c", "three");
  assert.equal(size(), full);
  for (const topicFilter of wanted) tree.delete(topicFilter, "one");
  const found: string[] = [];
  tree.match("a/b", subscriber => found.push(subscriber));
  assert.deepEqual(found, ["two", "two", "two"]); // by a/b, a/+/# and #
  for (const topicFilter of wanted.toReversed()) tree.delete(topicFilter, "two");
  assert.equal(size(), 0);
});

// A full queue, and a sink that is slow.

test("a session's queue past its limit: the oldest message is dropped, and told; what was sent is kept", async t => {
  const broker = await ObservedBroker.start(t, { limits: { "queued-messages": 3 } });
  const sub = await broker.connect("sub", { clean: false, hold: true });
  await sub.subscribe("a", 1);
  const publisher = await broker.connect("publisher");
  await publisher.publish("a", "sent", 1);
  await sub.message("sent");
  await broker.dropped(sub, "sub");
  for (const payload of ["1", "2", "3", "4"]) await publisher.publish("a", payload, 1);
  const limit = { name: "queued-messages", max: 3 };
  const dropped = { event: "message-dropped", clientId: "sub", topic: "a", packetId: null, queued: 3, limit };
  assert.deepEqual(broker.all("message-dropped", "sub"), [dropped, dropped]);
  const again = await broker.connect("sub", { clean: false });
  assert.deepEqual([...(await again.payloadsBefore("4")), "4"], ["sent", "3", "4"]);
});

test("retained messages that nobody acknowledges fill no queue past its limit", async t => {
  const broker = await ObservedBroker.start(t, { limits: { "queued-messages": 3 } });
  const publisher = await broker.connect("publisher");
  for (const topic of ["a/1", "a/2"]) await publisher.publish(topic, "kept", 1, true);
  const sub = await broker.connect("sub", { clean: false, hold: true });
  for (let i = 0; i < 5; i++) await sub.subscribe("a/#", 1);
  await broker.waitFor("7 of 10 dropped", () => broker.all("message-dropped", "sub").length === 7);
  assert.equal((await broker.dropped(sub, "sub")).queued, 3);
});

/** A broker whose sink takes the first event of that name only when told to. */
async function heldAt(t: TestContext, name: BrokerEvent["event"], maxQueued = 100) {
  const events = new WaitableList<BrokerEvent>();
  let take = () => {};
  let held = false;
  const limits = { "queued-messages": maxQueued };
  const running = await startBroker({ host: "127.0.0.1", port: 0, limits }, event => {
    events.push(event);
    if (event.event !== name || held) return undefined;
    held = true;
    return new Promise<void>(resolve => (take = resolve));
  });
  t.after(() => running.close());
  return { port: running.port, events, take: () => take() };
}

test("while the sink is slow a will waits; the next connection of its client keeps its own [MQTT-3.1.2-8]", async t => {
  const { port, events, take } = await heldAt(t, "client-disconnected");
  const will = (payload: string) => ({ topic: "will", payload, qos: 1, retain: false }) as const;
  const watcher = await RawClient.connect(t, port, { clientId: "watcher" });
  await watcher.subscribe("will", 1);
  const first = await RawClient.connect(t, port, { clientId: "ward", will: will("first") });
  first.socket.resetAndDestroy();
  const named = (name: string) => events.items.filter(({ event }) => event === name);
  await events.waitFor("its end", () => named("client-disconnected")[0]);
  const second = RawClient.start(t, port, { clientId: "ward", will: will("second") });
  for (let round = 0; round < 20; round++) await watcher.ping();
  assert.deepEqual([watcher.publishes.items, second.packets.items], [[], []]);
  assert.deepEqual(named("will-published"), []);
  take();
  await watcher.message("first");
  await second.connack();
  await second.ping();
  second.socket.resetAndDestroy();
  assert.deepEqual(await watcher.payloadsBefore("second"), ["first"]);
  await events.waitFor("both wills", () => named("will-published").length === 2 || undefined);
});

for (const count of [2, 3])
  test(`while the sink is slow ${count} connections ask for one session: the last has it, and keeps it [MQTT-3.1.4-2]`, async t => {
    const { port, take } = await heldAt(t, "subscribed");
    const watcher = await RawClient.connect(t, port, { clientId: "watcher" });
    await watcher.subscribe("a", 1);
    const options = { clientId: "ward", clean: false };
    const asking: RawClient[] = [];
    for (let i = 0; i < count; i++) {
      asking.push(RawClient.start(t, port, options));
      for (let round = 0; round < 5; round++) await watcher.ping();
    }
    take();
    const last = asking.at(-1) ?? assert.fail();
    assert.deepEqual(await last.connack(), { sessionPresent: false, returnCode: 0 });
    for (const other of asking.slice(0, -1)) await other.closed;
    await last.subscribe("b", 1);
    await watcher.publish("b", "live", 1);
    await last.message("live");
    last.disconnect();
    await last.closed;
    await watcher.publish("b", "queued", 1);
    const again = RawClient.start(t, port, options);
    assert.equal((await again.connack()).sessionPresent, true);
    await again.message("queued");
  });

for (const qos of ALL_QOS)
  test(`while the sink is slow a retained message at QoS ${qos} waits, and counts though DISCONNECT follows it`, async t => {
    const { port, events, take } = await heldAt(t, "subscribed");
    const sub = await RawClient.connect(t, port, { clientId: "sub" });
    const publisher = await RawClient.connect(t, port, { clientId: "publisher" });
    await sub.subscribe("a", 1);
    publisher.socket.write(Buffer.concat([publishPacket("a", "x", qos, 1, RETAIN), DISCONNECT]));
    await publisher.closed;
    take();
    await events.waitFor("its end", all => all.find(({ event }) => event === "client-disconnected"));
    const other = await RawClient.connect(t, port, { clientId: "other" });
    await other.publish("a", "end", 1);
    assert.deepEqual(await sub.payloadsBefore("end"), ["x"]);
  });

test("while the sink is slow messages are taken, and what there is to tell of them is counted", async t => {
  const { port, events, take } = await heldAt(t, "subscribed", 3);
  const publisher = await RawClient.connect(t, port, { clientId: "publisher" });
  const sub = await RawClient.connect(t, port, { clientId: "sub", clean: false });
  await sub.subscribe("a", 1);
  sub.disconnect();
  await sub.closed;
  for (let i = 1; i <= 10; i++) await publisher.publish("a", String(i), 1);
  const names = () => events.items.map(({ event }) => event);
  assert.equal(names().includes("message-dropped"), false);
  take();
  const counted = { event: "events-omitted", count: 10 + 7 } as const; // queued, and dropped
  assert.deepEqual(
    await events.waitFor("omitted", all => all.find(({ event }) => event === counted.event)),
    counted,
  );
  await publisher.publish("a", "11", 1);
  assert.ok(names().includes("message-dropped"), names().join());
});

// What comes at once, and what is left of a client that is gone.

for (const clean of [true, false]) {
  test(`[MQTT-3.10.4-1] SUBSCRIBE, UNSUBSCRIBE and PUBLISH that come at once count in their order, clean session ${clean}`, async t => {
    const broker = await ObservedBroker.start(t);
    const client = await broker.connect("client", { clean });
    const all = [
      subscribePacket(900, [["a", 1]]),
      publishPacket("a", "first", 1, 901),
      unsubscribePacket(902, ["a"]),
      publishPacket("a", "hidden", 1, 903),
      subscribePacket(904, [["a", 1]]),
      publishPacket("a", "second", 1, 905),
    ];
    client.socket.write(Buffer.concat(all));
    await client.packet("the last SUBACK", PacketType.suback, 904);
    await client.publish("a", "third", 1);
    await client.ping();
    const payloads = client.publishes.items.map(({ payload }) => payload);
    assert.deepEqual(payloads, ["first", "second", "third"]);
  });

  test(`[MQTT-3.3.1-6] a message right behind the SUBSCRIBE is not found retained as well, clean session ${clean}`, async t => {
    const broker = await ObservedBroker.start(t);
    const client = await broker.connect("client", { clean });
    const all = [
      subscribePacket(900, [
        ["a", 2],
        ["the/marker", 1],
      ]),
      publishPacket("a", "x", 1, 901, RETAIN),
    ];
    const publisher = await broker.connect("publisher");
    await publisher.publish("the/marker", "the marker", 1, true);
    client.socket.write(Buffer.concat(all));
    await client.payloadsBefore("the marker");
    await client.publish("a", "end", 1);
    await client.message("end");
    const seen = client.publishes.items.filter(({ topic }) => topic === "a");
    assert.deepEqual(
      seen.map(({ payload, retain }) => [payload, retain]),
      [
        ["x", false],
        ["end", false],
      ],
    );
  });
}

for (const clean of [true, false])
  test(`[MQTT-3.10.4-2] no retained message comes after the UNSUBACK of a filter just subscribed, clean session ${clean}`, async t => {
    const broker = await ObservedBroker.start(t);
    const publisher = await broker.connect("publisher");
    for (const i of numbers(30)) await publisher.publish(`a/${i}`, "kept", 1, true);
    const sub = await broker.connect("sub", { clean });
    await sub.subscribe("b", 1);
    sub.socket.write(Buffer.concat([subscribePacket(900, [["a/#", 1]]), unsubscribePacket(901, ["a/#"])]));
    await sub.packet("UNSUBACK", PacketType.unsuback, 901);
    for (let round = 0; round < 40; round++) await sub.ping();
    await publisher.publish("b", "end", 1);
    await sub.message("end");
    const after = sub.packets.items.slice(
      sub.packets.items.findIndex(({ type }) => type === PacketType.unsuback),
    );
    assert.equal(after.filter(({ type }) => type === PacketType.publish).length, 1);
  });

test("a clean session that has ended is owed nothing", async t => {
  const broker = await ObservedBroker.start(t);
  for (const end of ["disconnect", "reset"]) {
    const sub = await broker.connect(end);
    await sub.subscribe("a", 1);
    if (end === "disconnect") sub.disconnect();
    else sub.socket.resetAndDestroy();
    await broker.event("client-disconnected", end);
    const publisher = await broker.connect("publisher");
    await publisher.publish("a", "x", 1);
    assert.deepEqual(broker.all("message-queued"), []);
    const again = await broker.connect(end);
    await again.subscribe("b", 1);
    await publisher.publish("b", "end", 1);
    assert.deepEqual(await again.payloadsBefore("end"), []);
  }
});

test("the broker's status has the will of each connection that is there, and no other", async t => {
  const broker = await ObservedBroker.start(t);
  const will = (qos: QoS) => ({ topic: "will", payload: "x", qos, retain: false });
  const wills = async (id: string) => {
    const client = await broker.connect(id);
    await client.subscribe("$SYS/lwt-broker/status", 1);
    const { payload } = await client.publishes.waitFor("status", all => all[0]);
    return (JSON.parse(payload) as { wills: { clientId: string; qos: QoS }[] }).wills.map(({ qos }) => qos);
  };
  await broker.connect("ward", { will: will(0) });
  const second = await broker.connect("ward", { will: will(1) });
  await broker.event("will-published", "ward");
  assert.deepEqual(await wills("one"), [1]);
  second.disconnect();
  await broker.event("will-discarded", "ward");
  assert.deepEqual(await wills("two"), []);
});

test("what comes after DISCONNECT is not the cause of the end", async t => {
  const broker = await ObservedBroker.start(t);
  const will = { topic: "will", payload: "x", qos: 1, retain: false } as const;
  const client = await broker.connect("client", { will });
  client.socket.write(Buffer.concat([DISCONNECT, Buffer.of(0, 0)]));
  assert.equal((await broker.event("client-disconnected", "client")).cause, "graceful");
  assert.equal((await broker.event("will-discarded", "client")).cause, "graceful");
});

test("a message arrives whole where the length of its packet takes one more byte (2.2.3)", async t => {
  const broker = await ObservedBroker.start(t);
  const publisher = await broker.connect("publisher");
  for (const [qos, head] of [
    [0, 3],
    [1, 5],
  ] as const) {
    const sub = await broker.connect(`sub${qos}`);
    await sub.subscribe("a", qos);
    const sizes = [127, 128, 16_383, 16_384].map(rest => rest - head);
    const payloads = [0, 1, ...sizes].map(size => "x".repeat(size));
    for (const payload of payloads) await publisher.publish("a", payload, 1);
    await publisher.publish("a", "end", 1);
    assert.deepEqual(await sub.payloadsBefore("end"), payloads);
  }
});

test("a client that does not read: at QoS 1 the rest waits for it, at QoS 0 it is dropped, and told", async t => {
  const broker = await ObservedBroker.start(t);
  const [once, kept] = [await broker.connect("once"), await broker.connect("kept")];
  await once.subscribe("a", 0);
  await kept.subscribe("a", 1);
  for (const { socket } of [once, kept]) socket.pause();
  const publisher = await broker.connect("publisher");
  const payload = "x".repeat(100_000);
  const count = 200;
  for (const i of numbers(count)) await publisher.publish("a", `${i} ${payload}`, 1);
  const delivered = broker.all("message-delivered", "once").length;
  const sent = broker.all("message-delivered", "kept").length;
  for (const { socket } of [once, kept]) socket.resume();
  assert.equal(delivered + broker.all("message-dropped", "once").length, count);
  assert.ok(delivered < count && sent < count, `${delivered} at QoS 0, ${sent} at QoS 1`);
  await once.publishes.waitFor("what was sent", all => all.length === delivered || undefined);
  await publisher.publish("a", "end", 1);
  for (const client of [once, kept]) await client.message("end");
  const came = (client: RawClient) => client.publishes.items.map(each => Number.parseInt(each.payload, 10));
  assert.deepEqual(came(once).slice(0, -1), numbers(delivered));
  assert.deepEqual(came(kept).slice(0, -1), numbers(count));
});
