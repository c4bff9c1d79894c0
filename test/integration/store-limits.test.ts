import assert from "node:assert/strict";
import { readdirSync, statSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import type { BrokerSettings } from "../../src/broker/start-broker.js";
import type { ObservedBroker } from "../support/observed-broker.js";
import { temporaryFolder } from "../support/processes.js";
import { PacketType } from "../support/packets.js";
import { type RawClient } from "../support/raw-client.js";
import {
  endedPast,
  past,
  publishPacket,
  refusedPast,
  subscribePacket,
  withPair,
} from "../support/limit-cases.js";

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

const onDisk = (t: TestContext) => ({ data: { folder: temporaryFolder(t), sync: "write" } as const });

/** In memory and on disk. */
const stores: Record<string, (t: TestContext) => Partial<BrokerSettings>> = {
  "in memory": () => ({}),
  "with --data": onDisk,
};

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
