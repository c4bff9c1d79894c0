import assert from "node:assert/strict";
import { test } from "node:test";
import type { QoS } from "../../../src/events/events.js";
import { ObservedBroker } from "../../support/observed-broker.js";
import { PacketType } from "../../support/packets.js";
import {
  ALL_QOS,
  DISCONNECT,
  RETAIN,
  idsOf,
  numbers,
  publishPacket,
  retainedFor,
  subscribePacket,
  unsubscribePacket,
} from "../../support/request-packets.js";

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
