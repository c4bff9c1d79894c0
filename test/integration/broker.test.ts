import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { startBroker } from "../../src/broker/start-broker.js";
import { isUserError } from "../../src/util/errors.js";
import type { BrokerEvent, EndCause, QoS } from "../../src/events/events.js";
import { ObservedBroker as Broker } from "../support/observed-broker.js";
import { PacketType } from "../support/packets.js";
import { type ConnectOptions, RawClient } from "../support/raw-client.js";

const WILL = { topic: "ward/status", payload: "Offline", qos: 1, retain: false } as const;

/** Ends a connection with a will, and checks the events of the broker and the messages of a watcher. */
async function endsWith(
  t: TestContext,
  cause: EndCause,
  end: (client: RawClient, broker: Broker) => unknown,
  options: Omit<ConnectOptions, "clientId"> = {},
): Promise<void> {
  const broker = await Broker.start(t);
  const watcher = await broker.watcher(WILL.topic);
  const client = await broker.connect("ward", { will: WILL, ...options });
  await end(client, broker);

  const disconnected = await broker.event("client-disconnected", "ward");
  assert.equal(disconnected.cause, cause);
  const published = await broker.event("will-published", "ward");
  assert.deepEqual(published, {
    event: "will-published",
    clientId: "ward",
    topic: WILL.topic,
    cause,
    clause: "[MQTT-3.1.2-8]",
  });
  const will = await watcher.message(WILL.payload);
  assert.deepEqual(
    { topic: will.topic, qos: will.qos, retain: will.retain },
    {
      topic: WILL.topic,
      qos: 1,
      retain: false,
    },
  );
  assert.deepEqual(broker.all("will-discarded"), []);
  assert.equal(broker.all("client-disconnected", "ward").length, 1);
}

test("a closed connection without DISCONNECT: the will is sent", t =>
  endsWith(t, "connection-closed", client => client.socket.end()));

test("a reset connection: the will is sent", t =>
  endsWith(t, "network-error", client => client.socket.resetAndDestroy()));

test("silence for one and a half times the keep alive: the will is sent", async t => {
  const start = performance.now();
  await endsWith(t, "keep-alive-timeout", () => {}, { keepAlive: 1 });
  assert.ok(performance.now() - start >= 1400, "not before 1.5 × keep alive");
});

test("a packet of a reserved type: the will is sent", t =>
  endsWith(t, "protocol-error", client => client.socket.write(Buffer.from([0, 0]))));

test("a packet that only a broker may send: the will is sent", t =>
  endsWith(t, "protocol-error", client => client.acknowledge(PacketType.suback, 1)));

test("another client with the same identifier: the will of the first is sent, the second stays", t =>
  endsWith(t, "taken-over", async (first, broker) => {
    const second = await broker.connect("ward");
    await first.closed;
    await second.ping();
  }));

test("the broker stops: the will is sent before those who watch it are cut off", t =>
  endsWith(t, "broker-stopped", (_client, broker) => broker.close()));

test("DISCONNECT: the will is discarded and not sent", async t => {
  const broker = await Broker.start(t);
  const watcher = await broker.watcher(WILL.topic);
  const client = await broker.connect("ward", { will: WILL });
  client.disconnect();
  const disconnected = await broker.event("client-disconnected", "ward");
  assert.equal(disconnected.cause, "graceful");
  assert.deepEqual(await broker.event("will-discarded", "ward"), {
    event: "will-discarded",
    clientId: "ward",
    topic: WILL.topic,
    cause: "graceful",
    clause: "[MQTT-3.14.4-3]",
  });
  const other = await broker.connect("other");
  await other.publish(WILL.topic, "marker", 1);
  assert.deepEqual(await watcher.payloadsBefore("marker"), []);
  assert.deepEqual(broker.all("will-published"), []);
});

const TOPIC = "ward/data";

/** A stored session, subscribed to the topic. */
async function subscriber(broker: Broker, qos: QoS, options: { hold?: boolean } = {}): Promise<RawClient> {
  const client = await broker.connect("reader", { clean: false, ...options });
  assert.equal(await client.subscribe(TOPIC, qos), qos);
  return client;
}

const resumed = (broker: Broker, options: { hold?: boolean } = {}) =>
  broker.connect("reader", { clean: false, ...options });

for (const qos of [1, 2] as const) {
  test(`QoS ${qos}: what was sent and not acknowledged comes again with DUP and its packet identifier`, async t => {
    const broker = await Broker.start(t);
    const reader = await subscriber(broker, qos, { hold: true });
    const writer = await broker.connect("writer");
    for (const payload of ["done", "sent"]) await writer.publish(TOPIC, payload, qos);
    const done = await reader.message("done");
    const sent = await reader.message("sent");
    assert.deepEqual([done.dup, sent.dup], [false, false]);
    const doneId = done.packetId ?? 0;
    if (qos === 1) reader.acknowledge(PacketType.puback, doneId);
    else {
      reader.acknowledge(PacketType.pubrec, doneId);
      await reader.packet("PUBREL", PacketType.pubrel, doneId);
      reader.acknowledge(PacketType.pubcomp, doneId);
    }
    await reader.ping();
    assert.equal((await broker.dropped(reader, "reader")).queued, 1);
    await writer.publish(TOPIC, "never sent", qos);

    const again = await resumed(broker, { hold: true });
    assert.deepEqual(await again.payloadsBefore("never sent"), ["sent"]);
    const [redelivered, first] = again.publishes.items;
    assert.deepEqual(redelivered, { ...sent, dup: true });
    assert.equal(first?.dup, false);
    assert.notEqual(first?.packetId, sent.packetId);
  });

  test(`QoS ${qos}: what was published with RETAIN and queued for an absent session has retain flag 0`, async t => {
    const broker = await Broker.start(t);
    const reader = await subscriber(broker, qos);
    await broker.dropped(reader, "reader");
    const writer = await broker.connect("writer");
    await writer.publish(TOPIC, "kept", qos, true);

    const again = await resumed(broker);
    const queued = await again.message("kept");
    assert.deepEqual([queued.retain, queued.dup, queued.qos], [false, false, qos]);
    const retained = await (await broker.watcher(TOPIC, qos)).message("kept");
    assert.deepEqual([retained.retain, retained.qos], [true, qos]);
  });

  test(`QoS ${qos}: live messages do not overtake the queue of a session that is resumed`, async t => {
    const broker = await Broker.start(t);
    await broker.dropped(await subscriber(broker, qos), "reader");
    const writer = await broker.connect("writer");
    // Several rounds: one overtakes by chance.
    for (let round = 1; round <= 5; round++) {
      const payloads = Array.from({ length: 100 }, (_, index) => `${round}.${index + 1}`);
      await Promise.all(payloads.slice(0, 50).map(payload => writer.publish(TOPIC, payload, qos)));
      const reader = RawClient.start(t, broker.port, { clientId: "reader", clean: false });
      for (const payload of payloads.slice(50)) await writer.publish(TOPIC, payload, qos);
      await writer.publish(TOPIC, `end ${round}`, qos);
      assert.deepEqual(await reader.payloadsBefore(`end ${round}`), payloads);
      // Then the broker has all acknowledgments, and redelivers nothing in the next round.
      if (qos === 2) {
        const end = await reader.message(`end ${round}`);
        await reader.packet("last PUBREL", PacketType.pubrel, end.packetId ?? 0);
      }
      await reader.ping();
      assert.equal((await broker.dropped(reader, "reader", round + 1)).queued, 0);
    }
  });
}

test("QoS 2: after PUBREC only PUBREL comes again, with its packet identifier", async t => {
  const broker = await Broker.start(t);
  const reader = await subscriber(broker, 2, { hold: true });
  const writer = await broker.connect("writer");
  await writer.publish(TOPIC, "received", 2);
  const packetId = (await reader.message("received")).packetId ?? 0;
  reader.acknowledge(PacketType.pubrec, packetId);
  await reader.packet("PUBREL", PacketType.pubrel, packetId);
  assert.equal((await broker.dropped(reader, "reader")).queued, 1);

  const again = await resumed(broker);
  await again.packet("PUBREL again", PacketType.pubrel, packetId);
  await writer.publish(TOPIC, "marker", 2);
  assert.deepEqual(await again.payloadsBefore("marker"), []);
});

test("session present: 0 for a new session, 1 for a stored one, 0 after a clean one", async t => {
  const broker = await Broker.start(t);
  const come = async (clean: boolean) => {
    const client = RawClient.start(t, broker.port, { clientId: "reader", clean });
    const { sessionPresent } = await client.connack();
    client.disconnect();
    await client.closed;
    return sessionPresent;
  };
  assert.equal(await come(false), false);
  // A session without subscriptions is present too.
  assert.equal(await come(false), true);
  assert.equal(await come(true), false);
  assert.equal(await come(false), false);
  await broker.event("client-connected", "reader", 4);
  const told = broker.all("client-connected", "reader").map(each => each.sessionPresent);
  assert.deepEqual(told, [false, true, false, false]);
  assert.equal(broker.all("session-resumed").length, 1);
  assert.equal(broker.all("session-ended").length, 1);
});

test("session-resumed tells how many messages are queued", async t => {
  const broker = await Broker.start(t);
  await broker.dropped(await subscriber(broker, 1), "reader");
  const writer = await broker.connect("writer");
  for (const payload of ["1", "2", "3"]) await writer.publish(TOPIC, payload, 1);
  await writer.publish(TOPIC, "not kept", 0);
  const queued = broker.all("message-queued").map(each => each.queued);
  assert.deepEqual(queued, [1, 2, 3]);
  await resumed(broker);
  const { queued: left } = await broker.event("session-resumed", "reader");
  assert.equal(left, 3);
});

test("each subscriber gets a message at the QoS of its own subscription", async t => {
  const broker = await Broker.start(t);
  const reader = await subscriber(broker, 1);
  const watcher = await broker.watcher(TOPIC, 2);
  const writer = await broker.connect("writer");
  await writer.publish(TOPIC, "twice", 2);
  assert.equal((await reader.message("twice")).qos, 1);
  assert.equal((await watcher.message("twice")).qos, 2);
});

test("a queued message comes at the QoS of a wildcard subscription", async t => {
  const broker = await Broker.start(t);
  const reader = await broker.connect("reader", { clean: false });
  await reader.subscribe("ward/+", 1);
  await broker.dropped(reader, "reader");
  await (await broker.connect("writer")).publish(TOPIC, "cut", 2);
  assert.equal((await (await resumed(broker)).message("cut")).qos, 1);
});

test("overlapping subscriptions of a stored session: a message comes once, at the highest QoS", async t => {
  const broker = await Broker.start(t);
  const reader = await subscriber(broker, 0);
  await reader.subscribe("ward/+", 2);
  await reader.subscribe("ward/#", 1);
  const writer = await broker.connect("writer");
  await writer.publish(TOPIC, "live", 2);
  await writer.publish(TOPIC, "marker", 2);
  assert.deepEqual(await reader.payloadsBefore("marker"), ["live"]);
  assert.equal((await reader.message("live")).qos, 2);
  await broker.dropped(reader, "reader");
  await writer.publish(TOPIC, "queued", 2);
  const again = await resumed(broker);
  await writer.publish(TOPIC, "second marker", 2);
  const payloads = await again.payloadsBefore("second marker");
  assert.deepEqual(
    payloads.filter(payload => payload !== "marker"),
    ["queued"],
  );
  assert.equal((await again.message("queued")).qos, 2);
});

test("retained messages at QoS 0, one after the other: none is lost", async t => {
  const broker = await Broker.start(t);
  const watcher = await broker.watcher(TOPIC, 0);
  const writer = await broker.connect("writer");
  const payloads = Array.from({ length: 30 }, (_, index) => `${index + 1}`);
  await Promise.all(payloads.map(payload => writer.publish(TOPIC, payload, 0, true)));
  await writer.publish(TOPIC, "marker", 0);
  assert.deepEqual(await watcher.payloadsBefore("marker"), payloads);
});

test("a retained message at QoS 0 and one that is not, right after it: none is lost", async t => {
  const broker = await Broker.start(t);
  const watcher = await broker.watcher(TOPIC, 0);
  const writer = await broker.connect("writer");
  await Promise.all([writer.publish(TOPIC, "kept", 0, true), writer.publish(TOPIC, "live", 0)]);
  await writer.publish(TOPIC, "marker", 0);
  assert.deepEqual((await watcher.payloadsBefore("marker")).toSorted(), ["kept", "live"]);
});

test("overlapping subscriptions of a clean session: a message comes once", async t => {
  const broker = await Broker.start(t);
  const watcher = await broker.watcher(TOPIC, 1);
  await watcher.subscribe("ward/+", 1);
  const writer = await broker.connect("writer");
  await writer.publish(TOPIC, "once", 1);
  await writer.publish(TOPIC, "marker", 1);
  assert.deepEqual(await watcher.payloadsBefore("marker"), ["once"]);
});

test("a retained QoS 2 message for a new subscription of a stored session: its PUBREC is no error", async t => {
  const broker = await Broker.start(t);
  await (await broker.connect("writer")).publish(TOPIC, "kept", 2, true);
  const reader = await subscriber(broker, 2, { hold: true });
  const packetId = (await reader.message("kept")).packetId ?? 0;
  reader.acknowledge(PacketType.pubrec, packetId);
  await reader.packet("PUBREL", PacketType.pubrel, packetId);
  assert.equal((await broker.dropped(reader, "reader")).queued, 1);
  const again = await resumed(broker);
  await again.packet("PUBREL again", PacketType.pubrel, packetId);
});

test("packet identifiers go on where the session's last connection stopped", async t => {
  const broker = await Broker.start(t);
  const reader = await subscriber(broker, 1, { hold: true });
  const writer = await broker.connect("writer");
  await writer.publish(TOPIC, "in flight", 1);
  const { packetId } = await reader.message("in flight");
  await broker.dropped(reader, "reader");
  const again = await resumed(broker, { hold: true });
  await writer.publish(TOPIC, "next", 1);
  assert.equal((await again.message("next")).packetId, ((packetId ?? 0) % 65535) + 1);
});

test("unsubscribed is told of an UNSUBSCRIBE, and not of a clean session that ends", async t => {
  const broker = await Broker.start(t);
  const client = await broker.watcher(TOPIC);
  await client.subscribe("ward/other", 1);
  await client.unsubscribe("ward/other");
  client.disconnect();
  await broker.event("client-disconnected", "watcher");
  const told = broker.all("unsubscribed").map(each => each.topicFilter);
  assert.deepEqual(told, ["ward/other"]);
});

test("a connection that took over stays registered when the first one's clean-up is done", async t => {
  const broker = await Broker.start(t);
  const first = await broker.connect("ward");
  // Its clean-up takes a turn more.
  await first.subscribe(TOPIC, 1);
  const second = await broker.connect("ward");
  second.disconnect();
  await broker.event("client-disconnected", "ward", 2);
  const causes = broker.all("client-disconnected", "ward").map(each => each.cause);
  assert.deepEqual(causes, ["taken-over", "graceful"]);
});

test("many connections with one identifier at once: the last stays, and each other one is told as taken over", async t => {
  const broker = await Broker.start(t);
  const clients = Array.from({ length: 20 }, () =>
    RawClient.start(t, broker.port, { clientId: "ward", will: WILL }),
  );
  await Promise.all(clients.slice(0, -1).map(client => client.closed));
  await clients.at(-1)?.connack();
  await clients.at(-1)?.ping();
  const connected = () => broker.all("client-connected", "ward").length;
  const disconnected = broker.all("client-disconnected", "ward");
  assert.equal(disconnected.length, connected() - 1);
  assert.ok(disconnected.every(({ cause }) => cause === "taken-over"));
});

test("the broker stops: no session is called stored, since none is", async t => {
  const broker = await Broker.start(t);
  await subscriber(broker, 1);
  await broker.close();
  assert.equal((await broker.event("client-disconnected", "reader")).cause, "broker-stopped");
  assert.deepEqual(broker.all("session-stored"), []);
});

test("a client that publishes on the broker's own topics is disconnected, and nobody gets it", async t => {
  const broker = await Broker.start(t);
  const watcher = await broker.watcher("$SYS/fake");
  const writer = await broker.connect("writer");
  // PUBLISH at QoS 0: remaining length 11, a topic of 9 bytes, no payload.
  writer.socket.write("\x30\x0b\0\x09$SYS/fake");
  assert.equal((await broker.event("client-disconnected", "writer")).cause, "protocol-error");
  await watcher.ping();
  assert.deepEqual(watcher.publishes.items, []);
});

test("the broker stops: a subscriber that reads slowly still gets what was sent to it", async t => {
  const broker = await Broker.start(t);
  const watcher = await broker.watcher(TOPIC, 0);
  watcher.socket.pause();
  const payloads = Array.from({ length: 5 }, (_, i) => String(i).repeat(200_000));
  const writer = await broker.connect("writer");
  for (const payload of payloads) await writer.publish(TOPIC, payload, 1);
  const closing = broker.close();
  watcher.socket.resume();
  for (const payload of payloads) await watcher.message(payload);
  await closing;
});

test("the will of a connection that took over is sent, too", async t => {
  const broker = await Broker.start(t);
  const watcher = await broker.watcher(WILL.topic);
  await broker.connect("ward", { will: { ...WILL, payload: "first" } });
  const second = await broker.connect("ward", { will: { ...WILL, payload: "second" } });
  second.socket.end();
  assert.deepEqual(await watcher.payloadsBefore("second"), ["first"]);
  const causes = () => broker.all("will-published", "ward").map(each => each.cause);
  await broker.event("will-published", "ward", 2);
  assert.deepEqual(causes(), ["taken-over", "connection-closed"]);
});

test("a will on a topic with a wildcard is refused", async t => {
  const broker = await Broker.start(t);
  const client = RawClient.start(t, broker.port, { clientId: "wild", will: { ...WILL, topic: "ward/+" } });
  assert.match((await broker.event("client-refused", "wild")).reason, /\[MQTT-3\.3\.2-2\]/);
  await client.closed;
});

test("the broker stops: every client's will reaches every client that watches", async t => {
  const broker = await Broker.start(t);
  const names = ["a", "b", "c"];
  const clients = await Promise.all(
    names.map(name => broker.connect(name, { will: { ...WILL, payload: `will of ${name}` } })),
  );
  for (const client of clients) await client.subscribe(WILL.topic, 1);
  await broker.close();
  await Promise.all(clients.map(client => client.closed));
  const expected = names.map(name => `will of ${name}`);
  for (const client of clients)
    assert.deepEqual(client.publishes.items.map(each => each.payload).toSorted(), expected);
});

/** Connects, and checks the refusal and its reason. */
async function refused(t: TestContext, options: ConnectOptions, returnCode: number, reason: RegExp) {
  const broker = await Broker.start(t);
  const client = RawClient.start(t, broker.port, options);
  assert.deepEqual(await client.connack(), { sessionPresent: false, returnCode });
  await client.closed;
  const event = await broker.event("client-refused", options.clientId);
  assert.match(event.reason, reason);
  assert.match(event.address, /^127\.0\.0\.1:\d+$/);
  assert.deepEqual(broker.all("client-connected"), []);
}

test("MQTT 5: CONNECT is refused with return code 1", t =>
  refused(t, { clientId: "five", protocolLevel: 5 }, 1, /code 1, MQTT 5: use 3\.1\.1, or Mosquitto/));

test("an empty client identifier with clean session 0 is refused with return code 2", t =>
  refused(t, { clientId: "", clean: false }, 2, /return code 2.*\[MQTT-3\.1\.3-8\]/));

test("a sink that is slow holds back clients that would make more events, and no message of others", async t => {
  let taken = () => {};
  const sink = (event: BrokerEvent) =>
    event.event === "subscribed" && "clientId" in event && event.clientId === "client"
      ? new Promise<void>(resolve => (taken = resolve))
      : undefined;
  const broker = await startBroker({ host: "127.0.0.1", port: 0 }, sink);
  t.after(() => broker.close());
  const other = await RawClient.connect(t, broker.port, { clientId: "other" });
  const free = await RawClient.connect(t, broker.port, { clientId: "free" });
  const client = await RawClient.connect(t, broker.port, { clientId: "client" });
  await client.subscribe(TOPIC, 1);
  const late = RawClient.start(t, broker.port, { clientId: "late" });
  const subscribed = other.subscribe("other", 0);
  const published = [
    other.publish(TOPIC, "behind it", 1),
    client.publish(TOPIC, "retained", 1, true),
    client.publish(TOPIC, "behind that", 1),
  ];
  await free.publish(TOPIC, "free", 1);
  for (let round = 0; round < 20; round++) await free.ping();
  const payloads = () => client.publishes.items.map(({ payload }) => payload);
  assert.deepEqual([late.packets.items.length, payloads()], [0, ["free"]]);
  assert.equal(other.packets.items.at(-1)?.type, PacketType.connack);
  taken();
  await late.connack();
  await subscribed;
  await Promise.all(published);
  await client.message("behind that");
  assert.deepEqual(payloads(), ["free", "behind it", "retained", "behind that"]);
});

test("a port that is taken: an error with what to do", async t => {
  const broker = await Broker.start(t);
  await assert.rejects(
    startBroker({ host: "127.0.0.1", port: broker.port }, () => {}),
    error => {
      assert.ok(isUserError(error));
      assert.equal(error.code, "port-taken");
      assert.match(error.message, new RegExp(`port ${broker.port} on 127\\.0\\.0\\.1 is already in use`));
      assert.match(error.hint, /npx lwt-broker --port \d+/);
      return true;
    },
  );
});
