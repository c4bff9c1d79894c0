import assert from "node:assert/strict";
import { once } from "node:events";
import { type Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import { type TestContext, test } from "node:test";
import { WebSocket } from "ws";
import type { Limits } from "../../src/broker/limits/limits.js";
import type { LimitName } from "../../src/events/events.js";
import type { ObservedBroker } from "../support/observed-broker.js";
import { connectPacket, PacketType } from "../support/packets.js";
import { type RawClient } from "../support/raw-client.js";
import type { Pair } from "../support/limit-cases.js";
import {
  endedPast,
  past,
  portOf,
  publishPacket,
  refusedPast,
  silentAt,
  subscribePacket,
  withPair,
  ws,
} from "../support/limit-cases.js";

test("a packet that says it is too large: the end at its first bytes, before CONNECT too", t => {
  const limits = { "packet-bytes": 1024 };
  return withPair(t, limits, async broker => {
    const client = await broker.connect("large");
    await client.publish("a", "x".repeat(1024 - 2 - 1 - 2), 1); // just not
    client.socket.write(Buffer.of(0x30, 0x81, 0x08, 0, 1));
    await client.ended();
    await endedPast(broker, "large", past(limits, "packet-bytes"));
    await broker.send(Buffer.of(0x10, 0x81, 0x08, 0, 4)).ended();
    await refusedPast(broker, "packet-bytes");
  });
});

test("packets that are never finished: in all they take so much, and who began first has to go", t => {
  const limits = { "unfinished-bytes": 100_000 };
  return withPair(t, limits, async (broker, pair) => {
    const half = publishPacket("a", "x".repeat(80_000), 1).subarray(0, 40_000);
    const clients = new Map<string, RawClient>();
    const begin = async (clientId: string) => {
      const client = await broker.connect(clientId);
      clients.set(clientId, client);
      client.socket.write(half);
    };
    for (const clientId of ["first", "second"]) await begin(clientId);
    // Its packets are in the way of nobody, since each of them ends.
    for (let i = 0; i < 5; i++) await pair.exchange("x".repeat(30_000));
    await begin("third");
    await endedPast(broker, "first", past(limits, "unfinished-bytes"));
    clients.get("second")?.socket.write(publishPacket("a", "x".repeat(80_000), 1).subarray(40_000));
    await clients.get("second")?.packet("PUBACK", PacketType.puback, 1);
    // What ended or was finished is not counted any more.
    await begin("fourth");
  });
});

test("a packet that comes byte by byte: what each piece takes in memory counts too", t => {
  const limits = { "unfinished-bytes": 100_000 };
  return withPair(t, limits, async broker => {
    const dripping = await broker.connect("dripping");
    const bytes = publishPacket("a", "x".repeat(80_000), 1);
    for (let i = 0; i < bytes.length && !dripping.socket.destroyed; i++) {
      dripping.socket.write(bytes.subarray(i, i + 1));
      await setImmediate();
    }
    await endedPast(broker, "dripping", past(limits, "unfinished-bytes"));
  });
});

/** A WebSocket frame with a mask of zeros, which changes nothing. */
function frame(payload: Buffer, { isFirst = true, isLast = true } = {}): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(BigInt(payload.length));
  const head = Buffer.of((isLast ? 0x80 : 0) | (isFirst ? 2 : 0), 0x80 | 127);
  return Buffer.concat([head, length, Buffer.alloc(4), payload]);
}

/** MQTT on a WebSocket made of bytes, for frames that no library sends. */
async function connectFrames(t: TestContext, broker: ObservedBroker, clientId: string): Promise<Socket> {
  const { socket } = silentAt(t, portOf(broker, "ws"));
  const headers = [
    "Host: x",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    `Sec-WebSocket-Key: ${Buffer.alloc(16).toString("base64")}`,
    "Sec-WebSocket-Protocol: mqtt",
  ];
  socket.write(`GET /mqtt HTTP/1.1\r\n${headers.join("\r\n")}\r\n\r\n`);
  socket.write(frame(connectPacket({ clientId })));
  await broker.event("client-connected", clientId);
  return socket;
}

test("WebSocket messages that are never finished: in all they take so much, with the packets", t => {
  const limits = { "unfinished-bytes": 100_000 };
  const trouble = async (broker: ObservedBroker, pair: Pair) => {
    const whole = frame(publishPacket("a", "x".repeat(80_000), 1));
    const begin = async (clientId: string, half: Buffer) => {
      const socket = await connectFrames(t, broker, clientId);
      socket.write(half);
      return socket;
    };
    await begin("frame", whole.subarray(0, 40_000));
    const second = await begin("second", whole.subarray(0, 40_000));
    // Those are in the way of nobody whose messages end, though in several pieces and fragments.
    const ending = await connectFrames(t, broker, "ending");
    const packets = Buffer.concat([1, 2, 3, 4].map(id => publishPacket("a", "x".repeat(10_000), id)));
    for (const [from, to] of [
      [0, 15_000],
      [15_000, 15_001],
      [15_001, undefined],
    ] as const)
      ending.write(frame(packets.subarray(from, to), { isFirst: from === 0, isLast: to === undefined }));
    for (let i = 0; i < 3; i++) await pair.exchange("x".repeat(1000));
    const third = await broker.connect("third");
    third.socket.write(publishPacket("a", "x".repeat(80_000), 1).subarray(0, 40_000));
    await endedPast(broker, "frame", past(limits, "unfinished-bytes"));
    second.write(whole.subarray(40_000));
    await pair.exchange();
    // Beside the bytes in it, what each fragment takes in memory.
    const fragments = Array.from({ length: 300 }, (_, i) =>
      frame(Buffer.of(0x30), { isFirst: i === 0, isLast: false }),
    );
    await begin("fragments", Buffer.concat(fragments));
    await endedPast(broker, "third", past(limits, "unfinished-bytes"));
    await endedPast(broker, "fragments", past(limits, "unfinished-bytes"));
    const others = broker.all("client-disconnected").map(({ clientId }) => clientId);
    assert.deepEqual(others, ["frame", "third", "fragments"]);
  };
  return withPair(t, limits, trouble, { ws });
});

test("WebSocket: a packet that is too large, and a frame that is too large for any", t => {
  const limits = { "packet-bytes": 1024 };
  const trouble = async (broker: ObservedBroker) => {
    const url = `ws://127.0.0.1:${portOf(broker, "ws")}/mqtt`;
    const sizes = { packet: 1025, frame: 3000 };
    for (const [clientId, size] of Object.entries(sizes)) {
      const webSocket = new WebSocket(url, "mqtt").on("error", () => {});
      t.after(() => webSocket.terminate());
      await once(webSocket, "open");
      const closed = once(webSocket, "close");
      webSocket.send(connectPacket({ clientId }));
      await once(webSocket, "message");
      webSocket.send(publishPacket("a", "x".repeat(1024 - 2 - 1 - 2), 1));
      await once(webSocket, "message");
      webSocket.send(publishPacket("a", "x".repeat(size - 2 - 1 - 2), 2));
      await endedPast(broker, clientId, past(limits, "packet-bytes"));
      await closed;
    }
  };
  return withPair(t, limits, trouble, { ws });
});

test("a client identifier that is too long: CONNACK with return code 2", t => {
  const limits = { "client-id-bytes": 100 };
  return withPair(t, limits, async broker => {
    await broker.connect("é".repeat(50));
    const client = broker.start("é".repeat(50) + "x");
    assert.equal((await client.connack()).returnCode, 2);
    await client.ended();
    await refusedPast(broker, "client-id-bytes");
  });
});

const tooLong: [LimitName, Partial<Limits>, just: string, over: string][] = [
  ["topic-bytes", { "topic-bytes": 100 }, "é".repeat(50), "é".repeat(50) + "x"],
  ["topic-levels", { "topic-levels": 10 }, "a/".repeat(9), "a/".repeat(10)],
];

for (const [name, limits, just, over] of tooLong)
  test(`${name}: a PUBLISH past it ends the connection, a will is refused, a filter gets 0x80`, t =>
    withPair(t, limits, async broker => {
      const client = await broker.connect("client");
      client.socket.write(subscribePacket(1, just, over, "b"));
      const { body } = await client.packet("SUBACK", PacketType.suback, 1);
      assert.deepEqual([...body.subarray(2)], [1, 0x80, 1]);
      const refused = await broker.event("subscription-refused", "client");
      const limit = past(limits, name);
      assert.deepEqual(
        { ...refused },
        { event: "subscription-refused", clientId: "client", topicFilter: over, limit },
      );
      await client.publish(just, "just", 1);
      await client.message("just");
      client.socket.write(publishPacket(over, "over", 9));
      await endedPast(broker, "client", limit);
      assert.equal(
        client.publishes.items.some(({ payload }) => payload === "over"),
        false,
      );
      const ward = broker.start("ward", { will: { topic: over, payload: "x", qos: 1, retain: false } });
      await ward.ended();
      await refusedPast(broker, name);
    }));

test("the topics of the defaults: 4 KiB and 1000 levels are taken", t =>
  withPair(t, {}, async broker => {
    const client = await broker.connect("client");
    for (const topic of ["x".repeat(4096), `${"a/".repeat(999)}a`]) {
      assert.equal(await client.subscribe(topic, 1), 1);
      await client.publish(topic, topic, 1);
      await client.message(topic);
    }
    assert.equal(await client.subscribe("x".repeat(4097), 1), 0x80);
    assert.equal(await client.subscribe(`${"a/".repeat(1000)}a`, 1), 0x80);
  }));
