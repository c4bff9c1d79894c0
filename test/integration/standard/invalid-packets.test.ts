import assert from "node:assert/strict";
import { test } from "node:test";
import { ObservedBroker } from "../../support/observed-broker.js";
import { field, PacketType, packet, uint16 } from "../../support/packets.js";
import { DUP, publishPacket, subscribePacket, unsubscribePacket } from "../../support/request-packets.js";

const PINGREQ = packet(0xc0);

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
