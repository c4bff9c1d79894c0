import assert from "node:assert/strict";
import { test } from "node:test";
import { ObservedBroker } from "../../support/observed-broker.js";
import { PacketType } from "../../support/packets.js";
import { ALL_QOS, numbers, publishPacket } from "../../support/request-packets.js";

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
