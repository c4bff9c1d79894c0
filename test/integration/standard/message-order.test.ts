import assert from "node:assert/strict";
import { test } from "node:test";
import type { QoS } from "../../../src/events/events.js";
import { ObservedBroker } from "../../support/observed-broker.js";
import { PacketType, packet, uint16 } from "../../support/packets.js";
import { ALL_QOS, RETAIN, idsOf, numbers, publishPacket } from "../../support/request-packets.js";

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
