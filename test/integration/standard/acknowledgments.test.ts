import assert from "node:assert/strict";
import { test } from "node:test";
import { ObservedBroker } from "../../support/observed-broker.js";
import { PacketType } from "../../support/packets.js";
import { DUP, RETAIN, idsOf, numbers, publishPacket, retainedFor } from "../../support/request-packets.js";

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
