import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { test } from "node:test";
import { WebSocket } from "ws";
import { isLoopback } from "../../src/broker/net/loopback.js";
import { ObservedBroker } from "../support/observed-broker.js";
import { connectPacket } from "../support/packets.js";
import { certificate } from "../support/servers.js";
import { endedPast, past, portOf, refusedPast, silentAt, withPair, ws } from "../support/limit-cases.js";

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
