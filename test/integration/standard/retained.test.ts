import assert from "node:assert/strict";
import { test } from "node:test";
import type { QoS } from "../../../src/events/events.js";
import { ObservedBroker } from "../../support/observed-broker.js";
import { PacketType } from "../../support/packets.js";
import {
  ALL_QOS,
  DUP,
  RETAIN,
  publishPacket,
  retainedFor,
  subscribePacket,
  unsubscribePacket,
} from "../../support/request-packets.js";

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
