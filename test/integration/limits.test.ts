import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { networkInterfaces } from "node:os";
import path from "node:path";
import { setImmediate } from "node:timers/promises";
import { type TestContext, test } from "node:test";
import { WebSocket } from "ws";
import type { BrokerSettings } from "../../src/broker/start-broker.js";
import type { Limits } from "../../src/broker/limits/limits.js";
import { isLoopback } from "../../src/broker/net/loopback.js";
import type { LimitName } from "../../src/events/events.js";
import { ObservedBroker } from "../support/observed-broker.js";
import { temporaryFolder } from "../support/processes.js";
import { connectPacket, field, packet, PacketType, uint16 } from "../support/packets.js";
import { type RawClient } from "../support/raw-client.js";
import { certificate } from "../support/servers.js";

/** Two who mean well: what one publishes, the other gets, whatever goes on beside them. */
class Pair {
  readonly #sent: string[] = [];
  readonly #publisher: RawClient;
  readonly #subscriber: RawClient;

  private constructor(publisher: RawClient, subscriber: RawClient) {
    this.#publisher = publisher;
    this.#subscriber = subscriber;
  }

  static async beside(broker: ObservedBroker): Promise<Pair> {
    const subscriber = await broker.connect("good subscriber", { clean: false });
    await subscriber.subscribe("good", 1);
    const pair = new Pair(await broker.connect("good publisher"), subscriber);
    await pair.exchange();
    return pair;
  }

  async exchange(filling = ""): Promise<void> {
    const payload = `${this.#sent.length} ${filling}`;
    this.#sent.push(payload);
    await this.#publisher.publish("good", payload, 1);
    await this.#subscriber.message(payload);
  }

  /** And nothing twice, nothing out of order, on the connections that they began with. */
  async missedNothing(): Promise<void> {
    await this.exchange();
    assert.deepEqual(
      this.#subscriber.publishes.items.map(({ payload }) => payload),
      this.#sent,
    );
  }
}

/** A broker with these limits, and a pair on it that misses nothing. */
async function withPair(
  t: TestContext,
  limits: Partial<Limits>,
  trouble: (broker: ObservedBroker, pair: Pair) => Promise<void>,
  settings: Partial<BrokerSettings> = {},
): Promise<void> {
  const broker = await ObservedBroker.start(t, { limits, ...settings });
  const pair = await Pair.beside(broker);
  await trouble(broker, pair);
  await pair.missedNothing();
}

/** That limit, as an event has it. */
const past = (limits: Partial<Limits>, name: LimitName) => ({ name, max: limits[name] });

/** The client's connection was ended for that. */
async function endedPast(broker: ObservedBroker, clientId: string, limit: object): Promise<void> {
  const { cause, limit: reached } = await broker.event("client-disconnected", clientId);
  assert.deepEqual({ cause, limit: reached }, { cause: "limit", limit });
}

/** What of the client's was dropped for that, so often. */
async function droppedPast(
  broker: ObservedBroker,
  clientId: string,
  limit: object,
  count: number,
): Promise<void> {
  const all = () => broker.all("message-dropped", clientId);
  await broker.waitFor(`${count} dropped of ${clientId}`, () => all().length >= count);
  assert.deepEqual(
    all().map(each => each.limit),
    Array.from({ length: count }, () => limit),
  );
}

/** Somebody was refused for that. */
const refusedPast = (broker: ObservedBroker, name: LimitName, count = 1) =>
  broker.waitFor(`${count} refused for ${name}`, () => {
    const all = broker.all("client-refused").filter(({ limit }) => limit?.name === name);
    return all.length >= count;
  });

const onDisk = (t: TestContext) => ({ data: { folder: temporaryFolder(t), sync: "write" } as const });

/** In memory and on disk. */
const stores: Record<string, (t: TestContext) => Partial<BrokerSettings>> = {
  "in memory": () => ({}),
  "with --data": onDisk,
};

const subscribePacket = (packetId: number, ...topicFilters: string[]) =>
  packet(0x82, uint16(packetId), ...topicFilters.flatMap(each => [field(each), Buffer.of(1)]));

const publishPacket = (topic: string, payload: string, packetId: number, qos: 1 | 2 = 1, retain = false) =>
  packet(0x30 | (qos << 1) | (retain ? 1 : 0), field(topic), uint16(packetId), Buffer.from(payload));

// Packets

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

// Connections

test("one connection too many: CONNACK with return code 3, and who leaves makes room", t => {
  const limits = { connections: 3 };
  return withPair(t, limits, async broker => {
    const third = await broker.connect("third");
    const fourth = broker.start("fourth");
    assert.equal((await fourth.connack()).returnCode, 3);
    await fourth.ended();
    await refusedPast(broker, "connections");
    const [refused] = broker.all("client-refused");
    assert.equal(refused?.reason, "over 3 connections (--max-connections)");
    third.disconnect();
    await third.closed;
    await broker.event("client-disconnected", "third");
    // The broker knows of its socket's end a moment later than of its DISCONNECT.
    for (let left = false; !left; ) {
      const again = broker.start("again");
      left = (await again.connack()).returnCode === 0;
    }
  });
});

test("connections opened and dropped by the hundred leave nothing behind", t => {
  const limits = { connections: 50 };
  return withPair(t, limits, async broker => {
    for (let round = 0; round < 5; round++) {
      const clients = Array.from({ length: 40 }, (_, i) =>
        i % 2 ? broker.start(`flood${i}`) : broker.send(Buffer.of(0x10, 0x7f, 0)),
      );
      for (const [i, client] of clients.entries())
        if (i % 2) await client.packets.waitFor("answer", all => all[0]);
      for (const { socket } of clients) socket.resetAndDestroy();
      await Promise.all(clients.map(({ closed }) => closed));
    }
    const ids = Array.from({ length: 48 }, (_, i) => `last${i}`);
    const last = await Promise.all(
      ids.map(async id => {
        for (;;) {
          const client = broker.start(id);
          if ((await client.connack()).returnCode === 0) return client;
        }
      }),
    );
    assert.equal(last.length, 48);
  });
});

test("from this computer's loopback address as many as in all", async t => {
  await withPair(t, { connections: 10, "connections-per-address": 1 }, async broker => {
    for (let i = 0; i < 8; i++) await broker.connect(`client${i}`);
  });
});

const own = Object.values(networkInterfaces())
  .flat()
  .find(each => each && each.family === "IPv4" && !isLoopback(each.address))?.address;

test("from another address a quarter of all, so that it can shut nobody out", {
  skip: own === undefined && "this computer has no other address",
}, async t => {
  const limits = { connections: 12 };
  const settings = { host: own ?? "" };
  const broker = await ObservedBroker.start(t, { limits, ...settings });
  const sockets: Socket[] = [];
  const come = (clientId: string) => {
    const socket = connect({ host: own ?? "", port: broker.port, noDelay: true }).on("error", () => {});
    t.after(() => socket.destroy());
    sockets.push(socket);
    const answer = new Promise<number>(resolve => {
      socket.once("data", data => resolve(data.readUInt8(3)));
    });
    socket.write(connectPacket({ clientId }));
    return answer;
  };
  for (const clientId of ["1", "2", "3"]) assert.equal(await come(clientId), 0);
  assert.equal(await come("4"), 3);
  const [refused] = broker.all("client-refused");
  assert.deepEqual(refused?.limit, { name: "connections-per-address", max: 3 });
});

test("no CONNECT in time: the end, though one comes byte by byte", t => {
  const limits = { "connect-seconds": 1 };
  return withPair(t, limits, async broker => {
    const silent = broker.send(Buffer.of());
    const slow = broker.send(Buffer.of());
    const bytes = connectPacket({ clientId: "x".repeat(1000) });
    let sent = 0;
    const drip = setInterval(() => slow.socket.write(bytes.subarray(sent, ++sent)), 50);
    t.after(() => clearInterval(drip));
    await Promise.all([silent.ended("silent"), slow.ended("slow")]);
    await refusedPast(broker, "connect-seconds", 2);
    assert.equal(broker.all("client-refused")[0]?.reason, "no CONNECT within 1 s");
    assert.ok(sent < bytes.length);
  });
});

test("silence has an end whatever the keep alive: with 0, and with the longest", t => {
  const limits = { "silent-seconds": 3 };
  return withPair(t, limits, async (broker, pair) => {
    const talking = setInterval(() => void pair.exchange().catch(() => {}), 200);
    t.after(() => clearInterval(talking));
    for (const [clientId, keepAlive] of [
      ["none", 0],
      ["longest", 65_535],
    ] as const)
      await broker.connect(clientId, { keepAlive });
    for (const clientId of ["none", "longest"])
      await endedPast(broker, clientId, past(limits, "silent-seconds"));
    clearInterval(talking);
  });
});

// TLS and WebSocket

const tls = {
  port: 0,
  cert: readFileSync(certificate("server"), "utf8"),
  key: readFileSync(certificate("key"), "utf8"),
};
const ws = { port: 0, origins: [] };

/** Of a scheme. */
function portOf(broker: ObservedBroker, scheme: string): number {
  const [listening] = broker.all("listening");
  return Number(new URL(listening?.urls.find(url => url.startsWith(`${scheme}:`)) ?? "").port);
}

/** Somebody who comes to that port and says nothing. */
function silentAt(t: TestContext, port: number): { socket: Socket; closed: Promise<unknown> } {
  const socket = connect(port, "127.0.0.1").on("error", () => {});
  t.after(() => socket.destroy());
  return { socket, closed: once(socket.resume(), "close") };
}

test("one connection too many: those count that have not agreed on TLS yet, and no kind of port has room", t => {
  const limits = { connections: 4 };
  const trouble = async (broker: ObservedBroker) => {
    const present = [silentAt(t, portOf(broker, "mqtts")), silentAt(t, portOf(broker, "mqtts"))];
    await silentAt(t, portOf(broker, "mqtts")).closed;
    await refusedPast(broker, "connections");
    await silentAt(t, portOf(broker, "wss")).closed;
    await refusedPast(broker, "connections", 2);
    assert.equal((await broker.start("plain").connack()).returnCode, 3);
    for (const { socket } of present) assert.equal(socket.destroyed, false);
  };
  return withPair(t, limits, trouble, { tls, ws });
});

test("no CONNECT in time: nor TLS, nor WebSocket, nor MQTT on it", async t => {
  const limits = { "connect-seconds": 1 };
  await withPair(
    t,
    limits,
    async broker => {
      await Promise.all(["mqtts", "wss"].map(scheme => silentAt(t, portOf(broker, scheme)).closed));
      await refusedPast(broker, "connect-seconds", 2);
      for (const { address, reason } of broker.all("client-refused"))
        assert.match(`${address} ${reason}`, /^127\.0\.0\.1:\d+ no CONNECT within 1 s$/);
    },
    { tls, ws },
  );
  await withPair(
    t,
    limits,
    async broker => {
      const url = `ws://127.0.0.1:${portOf(broker, "ws")}/mqtt`;
      const agreed = new WebSocket(url, "mqtt").on("error", () => {});
      t.after(() => agreed.terminate());
      await Promise.all([once(agreed, "close"), silentAt(t, portOf(broker, "ws")).closed]);
      await refusedPast(broker, "connect-seconds", 2);
    },
    { ws },
  );
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

// Names

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

// What is stored: in memory, and on disk

for (const [where, settings] of Object.entries(stores)) {
  test(`${where}: a stored session too many: CONNACK with return code 3; who has one comes back`, t => {
    const limits = { "stored-sessions": 3 }; // one of the pair
    return withPair(
      t,
      limits,
      async broker => {
        for (const id of ["2", "3"]) await broker.dropped(await broker.connect(id, { clean: false }), id);
        const fourth = broker.start("4", { clean: false });
        assert.deepEqual(await fourth.connack(), { sessionPresent: false, returnCode: 3 });
        await fourth.ended();
        await refusedPast(broker, "stored-sessions");
        assert.equal(broker.all("client-refused")[0]?.reason, "return code 3: over 3 stored sessions");
        await broker.connect("clean");
        const back = broker.start("3", { clean: false });
        assert.deepEqual(await back.connack(), { sessionPresent: true, returnCode: 0 });
        back.disconnect();
        await broker.event("session-stored", "3", 2);
        await broker.connect("3"); // with clean session 1: its stored one ends
        await broker.event("session-ended", "3");
        await broker.connect("4", { clean: false });
      },
      settings(t),
    );
  });

  test(`${where}: a subscription too many gets 0x80; others of its SUBSCRIBE are granted, and one that goes makes room`, t => {
    const limits = { subscriptions: 3 };
    return withPair(
      t,
      limits,
      async (broker, pair) => {
        const client = await broker.connect("client", { clean: false });
        client.socket.write(subscribePacket(101, "1", "2", "3", "4", "2"));
        const { body } = await client.packet("SUBACK", PacketType.suback, 101);
        assert.deepEqual([...body.subarray(2)], [1, 1, 1, 0x80, 1]);
        const refused = await broker.event("subscription-refused", "client");
        assert.deepEqual(refused.limit, past(limits, "subscriptions"));
        await client.unsubscribe("1");
        assert.equal(await client.subscribe("4", 1), 1);
        assert.equal(await client.subscribe("5", 1), 0x80);
        await broker.dropped(client, "client");
        const again = await broker.connect("client", { clean: false });
        assert.equal(await again.subscribe("5", 1), 0x80);
        await again.publish("4", "x", 1);
        await again.message("x");
        await pair.exchange();
      },
      settings(t),
    );
  });

  test(`${where}: filters take so many levels in all; a session that ends makes room`, t => {
    const limits = { "filter-levels": 10 }; // one of the pair
    return withPair(
      t,
      limits,
      async broker => {
        const client = await broker.connect("client", { clean: false });
        for (const [filter, granted] of [
          ["a/b/c/d", 1],
          ["+/b/c/d/#", 1],
          ["e", 0x80],
          ["a/b/c/d", 1],
        ] as const)
          assert.equal(await client.subscribe(filter, 1), granted, filter);
        const other = await broker.connect("other");
        assert.equal(await other.subscribe("f", 1), 0x80);
        const { limit } = await broker.event("subscription-refused", "other");
        assert.deepEqual(limit, past(limits, "filter-levels"));
        client.disconnect();
        await broker.event("session-stored", "client");
        await broker.connect("client");
        assert.equal(await other.subscribe("a/b/c/d/e/f/g/h/i", 1), 1);
        assert.equal(await other.subscribe("f", 1), 0x80);
      },
      settings(t),
    );
  });

  test(`${where}: QoS 2 messages that await PUBREL: one too many ends the connection; over connections, and in all`, t => {
    const limits = { "unreleased-messages": 3, "unreleased-messages-in-all": 4 };
    return withPair(
      t,
      limits,
      async (broker, pair) => {
        const options = { clean: false, holdPubrel: true };
        const client = await broker.connect("client", options);
        const send = async (to: RawClient, packetId: number) => {
          to.socket.write(publishPacket("a", `${packetId}`, packetId, 2));
          await to.packet("PUBREC", PacketType.pubrec, packetId);
        };
        for (const packetId of [1, 2, 3]) await send(client, packetId);
        await broker.dropped(client, "client");
        const again = await broker.connect("client", options);
        await send(again, 2); // known
        again.socket.write(publishPacket("a", "4", 4, 2));
        await again.ended();
        await broker.event("client-disconnected", "client", 2);
        assert.deepEqual(
          broker.all("client-disconnected", "client").map(({ limit }) => limit),
          [null, past(limits, "unreleased-messages")],
        );
        const other = await broker.connect("other", { holdPubrel: true });
        await send(other, 1);
        other.socket.write(publishPacket("a", "2", 2, 2));
        await endedPast(broker, "other", past(limits, "unreleased-messages-in-all"));
        // A clean session's end makes room, and so does PUBREL.
        const third = await broker.connect("third");
        for (let i = 0; i < 3; i++) await third.publish("a", "x", 2);
        await pair.exchange();
      },
      settings(t),
    );
  });

  test(`${where}: a queue of so many bytes: its oldest message goes, nobody else's`, async t => {
    const limits = { "queued-bytes": 50_000 };
    const payload = (i: number) => `${i} ${"x".repeat(10_000)}`;
    await withPair(
      t,
      limits,
      async (broker, pair) => {
        const sub = await broker.connect("away", { clean: false });
        await sub.subscribe("a", 1);
        await broker.dropped(sub, "away");
        const publisher = await broker.connect("publisher");
        for (let i = 0; i < 10; i++) {
          await publisher.publish("a", payload(i), 1);
          await pair.exchange();
        }
        await droppedPast(broker, "away", past(limits, "queued-bytes"), 6);
        const again = await broker.connect("away", { clean: false });
        await again.message(payload(9));
        assert.deepEqual(
          again.publishes.items.map(each => each.payload),
          [6, 7, 8, 9].map(payload),
        );
      },
      settings(t),
    );
  });

  test(`${where}: queues of so many bytes in all: the longest loses its oldest, the short ones nothing`, async t => {
    const limits = { "queued-bytes-in-all": 100_000 };
    const filling = "x".repeat(5000);
    await withPair(
      t,
      limits,
      async (broker, pair) => {
        for (const [id, topicFilter] of [
          ["short", "a"],
          ["long", "+"],
        ] as const) {
          const sub = await broker.connect(id, { clean: false });
          await sub.subscribe(topicFilter, 1);
          await broker.dropped(sub, id);
        }
        // Sent, and never acknowledged: that is not kept for ever either.
        const holder = await broker.connect("holder", { hold: true });
        await holder.subscribe("held", 1);
        const publisher = await broker.connect("publisher");
        await publisher.publish("a", "first", 1);
        for (let i = 0; i < 30; i++) {
          await publisher.publish(i % 2 ? "b" : "held", `${i} ${filling}`, 1);
          await pair.exchange();
        }
        await publisher.publish("a", "last", 1);
        const dropped = broker.all("message-dropped");
        assert.ok(dropped.length > 10, `${dropped.length}`);
        assert.ok(dropped.every(({ limit }) => limit?.name === "queued-bytes-in-all"));
        assert.deepEqual(new Set(dropped.map(({ clientId }) => clientId)), new Set(["long", "holder"]));
        const short = await broker.connect("short", { clean: false });
        assert.deepEqual(await short.payloadsBefore("last"), ["first"]);
        // What is acknowledged makes room.
        const long = await broker.connect("long", { clean: false });
        await long.message("last");
        await long.ping();
        holder.disconnect();
        await broker.event("client-disconnected", "holder");
        for (let i = 0; i < 5; i++) await publisher.publish("b", `${i} ${filling}`, 1);
        assert.equal(broker.all("message-dropped").length, dropped.length);
      },
      settings(t),
    );
  });

  test(`${where}: a retained message too many ends its publisher's connection; an old one may be replaced and cleared`, t => {
    const limits = { "retained-messages": 2 };
    return withPair(
      t,
      limits,
      async (broker, pair) => {
        const publisher = await broker.connect("publisher");
        for (const topic of ["a", "b", "a"]) await publisher.publish(topic, `on ${topic}`, 1, true);
        publisher.socket.write(publishPacket("c", "too many", 9, 1, true));
        await endedPast(broker, "publisher", past(limits, "retained-messages"));
        const other = await broker.connect("other");
        await other.publish("c", "live", 1);
        await pair.exchange();
        const watcher = await broker.watcher("+");
        await watcher.publish("end", "end", 1);
        assert.deepEqual((await watcher.payloadsBefore("end")).toSorted(), ["on a", "on b"]);
        // Nobody is left who could be told that a will is not retained; who watches its topic gets it.
        const ward = await broker.connect("ward", {
          will: { topic: "c", payload: "will", qos: 1, retain: true },
        });
        ward.socket.resetAndDestroy();
        assert.equal((await watcher.message("will")).topic, "c");
        const told = await broker.event("will-not-retained", "ward");
        const limit = past(limits, "retained-messages");
        assert.deepEqual({ ...told }, { event: "will-not-retained", clientId: "ward", topic: "c", limit });
        assert.deepEqual(
          broker.all("message-retained").map(({ topic }) => topic),
          ["a", "b", "a"],
        );
        await other.publish("a", "", 1, true);
        await other.publish("c", "now", 1, true);
      },
      settings(t),
    );
  });

  test(`${where}: retained messages take so many bytes in all`, t => {
    const limits = { "retained-bytes": 10_000 };
    return withPair(
      t,
      limits,
      async broker => {
        const publisher = await broker.connect("publisher");
        await publisher.publish("a", "x".repeat(9000), 1, true);
        await publisher.publish("b", "x".repeat(900), 1, true);
        await publisher.publish("a", "x".repeat(9010), 1, true);
        publisher.socket.write(publishPacket("b", "x".repeat(2000), 9, 1, true));
        await endedPast(broker, "publisher", past(limits, "retained-bytes"));
        const other = await broker.connect("other");
        await other.publish("a", "x", 1, true);
        await other.publish("c", "x".repeat(9000), 1, true);
      },
      settings(t),
    );
  });
}

// Who does not read

const HEALTHY = 20;
const STREAM = Array.from({ length: 300 }, (_, i) => `${i}`);

for (const [where, settings] of Object.entries(stores))
  test(`${where}: two who do not read, beside ${HEALTHY} who do: these get all in order, those have a queue to their limit`, t => {
    const limits = { "queued-messages": 100 };
    return withPair(
      t,
      limits,
      async (broker, pair) => {
        const subscriber = async (id: string, clean: boolean) => {
          const client = await broker.connect(id, { clean });
          await client.subscribe("stream", 1);
          return client;
        };
        const stuck = [await subscriber("stored", false), await subscriber("clean", true)];
        const healthy = await Promise.all(
          Array.from({ length: HEALTHY }, (_, i) => subscriber(`healthy${i}`, i % 2 === 0)),
        );
        const publisher = await broker.connect("publisher");
        // What the system takes for a client that does not read is full then.
        for (const client of stuck) await client.subscribe("filling", 1);
        for (const { socket } of stuck) socket.pause();
        for (let i = 0; i < 50; i++) await publisher.publish("filling", "x".repeat(200_000), 1);
        for (const [i, payload] of STREAM.entries()) {
          await publisher.publish("stream", payload, 1);
          if (i % 50 === 0) await pair.exchange();
        }
        const last = STREAM.at(-1) ?? "";
        for (const client of healthy) {
          await client.publishes.waitFor(
            "the last",
            all => all.some(({ payload }) => payload === last) || undefined,
          );
          assert.deepEqual(
            client.publishes.items.map(({ payload }) => payload),
            STREAM,
          );
        }
        for (const id of ["stored", "clean"]) {
          const dropped = broker.all("message-dropped", id);
          assert.ok(dropped.length > 0, id);
          assert.ok(
            dropped.every(({ queued, limit }) => queued === 100 && limit?.name === "queued-messages"),
          );
        }
        assert.equal(
          broker.all("message-dropped").some(({ clientId }) => /healthy|good/.test(clientId)),
          false,
        );
        for (const client of stuck) {
          client.socket.resume();
          await client.message(last);
          const came = client.publishes.items.filter(({ topic }) => topic === "stream");
          const numbers = came.map(({ payload }) => Number(payload));
          assert.deepEqual(
            numbers,
            numbers.toSorted((a, b) => a - b),
          );
          assert.deepEqual(
            numbers.slice(-20),
            Array.from({ length: 20 }, (_, i) => STREAM.length - 20 + i),
          );
        }
      },
      settings(t),
    );
  });

test("with --data: what an absent session's queue may not keep leaves the disk", t => {
  const settings = onDisk(t);
  return withPair(
    t,
    { "queued-bytes": 1_000_000 },
    async broker => {
      const sub = await broker.connect("away", { clean: false });
      await sub.subscribe("a", 1);
      await broker.dropped(sub, "away");
      const publisher = await broker.connect("publisher");
      const payload = "x".repeat(200_000);
      for (let i = 0; i < 300; i++) await publisher.publish("a", payload, 1); // 60 MB
      const { folder } = settings.data;
      const sizes = readdirSync(folder).map(file => statSync(path.join(folder, file)).size);
      const megabytes = sizes.reduce((sum, size) => sum + size, 0) / 1_000_000;
      assert.ok(megabytes < 40, `${megabytes} MB`);
    },
    settings,
  );
});

test("a SUBSCRIBE whose filters each go through all that is retained holds up nobody", t =>
  withPair(t, { "retained-messages": 1500 }, async (broker, pair) => {
    const publisher = await broker.connect("publisher");
    const topics = Array.from({ length: 1500 }, (_, i) => `kept/${i}/x`);
    for (const [i, topic] of topics.entries())
      publisher.socket.write(publishPacket(topic, topic, i + 1, 1, true));
    await publisher.packet("the last PUBACK", PacketType.puback, topics.length);
    const client = await broker.connect("client");
    const filters = Array.from({ length: 300 }, (_, i) => `+/+/none${i}`);
    client.socket.write(subscribePacket(1, ...filters, "kept/0/x"));
    await client.packet("SUBACK", PacketType.suback, 1);
    await pair.exchange();
    assert.deepEqual(client.publishes.items, []);
    await client.message("kept/0/x");
  }));

test("wills take so many bytes in all: CONNACK with return code 3, until a connection with one is over", t => {
  const limits = { "will-bytes": 10_000 };
  const will = { topic: "a", payload: "x".repeat(4000), qos: 1, retain: false } as const;
  return withPair(t, limits, async broker => {
    const [first] = [await broker.connect("1", { will }), await broker.connect("2", { will })];
    const third = broker.start("3", { will });
    assert.equal((await third.connack()).returnCode, 3);
    await third.ended();
    await refusedPast(broker, "will-bytes");
    await broker.connect("without");
    first.disconnect();
    await broker.event("will-discarded", "1");
    await broker.connect("3", { will });
  });
});

test("who does not read at QoS 0 loses what comes, once that is much in all; who reads loses nothing", t => {
  const limits = { "unread-bytes-in-all": 1_000_000 };
  return withPair(t, limits, async (broker, pair) => {
    const readers = await Promise.all(["1", "2"].map(id => broker.connect(`reader${id}`)));
    const stuck = await Promise.all(["1", "2", "3", "4"].map(id => broker.connect(`stuck${id}`)));
    for (const client of [...readers, ...stuck]) await client.subscribe("a", 0);
    for (const { socket } of stuck) socket.pause();
    const publisher = await broker.connect("publisher");
    const payload = "x".repeat(200_000);
    const limit = past(limits, "unread-bytes-in-all");
    const dropped = () => broker.all("message-dropped");
    let sent = 0;
    for (; sent < 1000 && dropped().length < 20; sent++) {
      await publisher.publish("a", `${sent} ${payload}`, 1);
      for (const reader of readers) await reader.message(`${sent} ${payload}`);
      if (sent % 10 === 0) await pair.exchange();
    }
    assert.ok(dropped().every(each => each.clientId.startsWith("stuck")));
    assert.ok(
      dropped().every(each => each.limit?.name === limit.name),
      JSON.stringify(dropped()[0]),
    );
    assert.ok(dropped().length >= 20);
    for (const client of stuck) {
      client.socket.resume();
      await client.ping();
    }
    await publisher.publish("a", "end", 1);
    for (const client of [...readers, ...stuck]) await client.message("end");
    assert.equal(readers[0]?.publishes.items.length, sent + 1);
  });
});
