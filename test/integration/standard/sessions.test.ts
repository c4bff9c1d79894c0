import assert from "node:assert/strict";
import { test } from "node:test";
import { ObservedBroker } from "../../support/observed-broker.js";
import { PacketType } from "../../support/packets.js";
import { type RawClient } from "../../support/raw-client.js";
import { endings, publishOf, receivedSoFar } from "../../support/connect-cases.js";

for (const [how, end] of endings) {
  test(`[MQTT-3.1.2-4] after ${how}, clean session 0 finds its subscriptions at their QoS`, async t => {
    const broker = await ObservedBroker.start(t);
    const first = await broker.connect("sub", { clean: false });
    for (const qos of [0, 1, 2] as const) await first.subscribe(`a/${qos}`, qos);
    end(first);
    await broker.event("session-stored", "sub");
    const second = await broker.connect("sub", { clean: false });
    const publisher = await broker.connect("publisher");
    for (const qos of [0, 1, 2]) await publisher.publish(`a/${qos}`, `${qos}`, 2);
    for (const qos of [0, 1, 2]) assert.equal((await second.message(`${qos}`)).qos, qos);
  });

  test(`[MQTT-3.1.2-5] after ${how}, QoS 1 and 2 are kept for the subscriptions of that time`, async t => {
    const broker = await ObservedBroker.start(t);
    const first = await broker.connect("sub", { clean: false });
    await first.subscribe("a/1", 1);
    await first.subscribe("a/2", 2);
    await first.subscribe("a/none", 2);
    await first.unsubscribe("a/none");
    end(first);
    await broker.event("session-stored", "sub");
    const publisher = await broker.connect("publisher");
    for (const topic of ["a/none", "a/1", "a/2", "a/1"]) await publisher.publish(topic, topic, 2);
    const second = await broker.connect("sub", { clean: false });
    await publisher.publish("a/1", "end", 1);
    assert.deepEqual(await second.payloadsBefore("end"), ["a/1", "a/2", "a/1"]);
    const qos = second.publishes.items.map(each => each.qos);
    assert.deepEqual(qos.slice(0, -1), [1, 2, 1]);
  });
}

test("[MQTT-3.1.2-4] a connection that takes over a stored session has its subscriptions", async t => {
  const broker = await ObservedBroker.start(t);
  const first = await broker.connect("sub", { clean: false });
  await first.subscribe("a", 1);
  const second = broker.start("sub", { clean: false });
  assert.deepEqual(await second.connack(), { sessionPresent: true, returnCode: 0 });
  await first.ended();
  const publisher = await broker.connect("publisher");
  await publisher.publish("a", "x", 1);
  assert.equal((await second.message("x")).qos, 1);
  assert.deepEqual(first.publishes.items, []);
});

for (const [first, second] of [
  [false, true],
  [true, false],
  [true, true],
] as const)
  for (const away of [true, false]) {
    const kind = (clean: boolean) => `clean session ${clean ? 1 : 0}`;
    const when = away ? "that ended" : "that is taken over";
    test(`[MQTT-3.1.2-6] [MQTT-3.1.4-3] ${kind(second)} after ${kind(first)} ${when}: no queue, no subscriptions`, async t => {
      const broker = await ObservedBroker.start(t);
      const publisher = await broker.connect("publisher");
      const old = await broker.connect("sub", { clean: first, hold: true });
      await old.subscribe("a", 2);
      await publisher.publish("a", "in flight", 1);
      await old.message("in flight");
      if (away) {
        old.socket.resetAndDestroy();
        await broker.event("client-disconnected", "sub");
        await publisher.publish("a", "queued", 2);
      }
      const client = broker.start("sub", { clean: second });
      assert.deepEqual(await client.connack(), { sessionPresent: false, returnCode: 0 });
      await publisher.publish("a", "after CONNACK", 1);
      await client.subscribe("b", 1);
      await publisher.publish("b", "marker", 1);
      assert.deepEqual(await client.payloadsBefore("marker"), []);

      // Nor does a later session have them.
      client.disconnect();
      await broker.event("client-disconnected", "sub", 2);
      await publisher.publish("a", "away", 1);
      const later = broker.start("sub", { clean: false });
      assert.equal((await later.connack()).sessionPresent, !second);
      await later.subscribe("b", 1);
      await publisher.publish("b", "second marker", 1);
      const payloads = await later.payloadsBefore("second marker");
      assert.deepEqual(payloads, []);
    });
  }

/** Sends a QoS 2 message, and no PUBREL for it; then the connection ends. */
async function leaveUnreleased(broker: ObservedBroker, watcher: RawClient, clean: boolean): Promise<void> {
  const client = await broker.connect("pub", { clean });
  client.socket.removeAllListeners("data").resume();
  client.socket.write(publishOf("a", "first", 2, 7));
  await watcher.message("first");
  client.socket.resetAndDestroy();
  await broker.event("client-disconnected", "pub");
}

for (const [first, second] of [
  [false, true],
  [true, false],
  [true, true],
] as const)
  test(`[MQTT-3.1.2-6] a QoS 2 packet identifier that clean session ${first ? 1 : 0} did not release is free for clean session ${second ? 1 : 0}`, async t => {
    const broker = await ObservedBroker.start(t);
    const watcher = await broker.watcher("#");
    await leaveUnreleased(broker, watcher, first);
    const client = await broker.connect("pub", { clean: second });
    client.socket.write(publishOf("a", "second", 2, 7));
    await client.packet("PUBCOMP", PacketType.pubcomp, 7);
    assert.deepEqual(await receivedSoFar(broker, watcher), ["first", "second"]);
  });

for (const clean of [true, false])
  test(`[MQTT-3.1.2-7] a retained message stays when the session of its sender ends: clean session ${clean ? 1 : 0}`, async t => {
    const broker = await ObservedBroker.start(t);
    const sender = await broker.connect("sender", { clean });
    await sender.publish("a", "kept", 1, true);
    sender.disconnect();
    await broker.event("client-disconnected", "sender");
    const last = await broker.connect("sender");
    last.disconnect();
    await broker.event("client-disconnected", "sender", 2);
    if (!clean) assert.equal(broker.all("session-ended", "sender").length, 1);
    const watcher = await broker.watcher("a");
    const kept = await watcher.message("kept");
    assert.deepEqual([kept.qos, kept.retain], [1, true]);
  });

// 3.2: CONNACK

test("[MQTT-3.2.2-1] clean session 1: session present 0, whatever was there", async t => {
  const broker = await ObservedBroker.start(t);
  for (const before of [null, false, true]) {
    if (before !== null) await (await broker.connect("sub", { clean: before })).subscribe("a", 1);
    const client = broker.start("sub", { clean: true });
    assert.deepEqual(await client.connack(), { sessionPresent: false, returnCode: 0 });
  }
});

test("[MQTT-3.2.2-3] clean session 0 after clean session 1, which had subscriptions: session present 0, then 1", async t => {
  const broker = await ObservedBroker.start(t);
  const first = await broker.connect("sub", { clean: true });
  await first.subscribe("a", 1);
  for (const sessionPresent of [false, true, true]) {
    const client = broker.start("sub", { clean: false });
    assert.deepEqual(await client.connack(), { sessionPresent, returnCode: 0 });
  }
});

test("[MQTT-4.1.0-1] a stored session keeps what it has received and not released: the same message again is not passed on", async t => {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("#");
  await leaveUnreleased(broker, watcher, false);
  const client = await broker.connect("pub", { clean: false });
  const again = publishOf("a", "first", 2, 7);
  again.writeUInt8(0x3c, 0); // with DUP
  client.socket.write(again);
  await client.packet("PUBCOMP", PacketType.pubcomp, 7);
  // Released, the identifier is free.
  client.socket.write(publishOf("a", "second", 2, 7));
  await watcher.message("second");
  assert.deepEqual(await receivedSoFar(broker, watcher), ["first", "second"]);
});

test("[MQTT-4.1.0-1] a stored session keeps its subscriptions, its queue and what is in flight over several connections", async t => {
  const broker = await ObservedBroker.start(t);
  const publisher = await broker.connect("publisher");
  const first = await broker.connect("sub", { clean: false, hold: true });
  await first.subscribe("a", 1);
  const expected = ["sent"];
  await publisher.publish("a", "sent", 1);
  const { packetId } = await first.message("sent");
  await broker.dropped(first, "sub");
  for (let round = 1; round <= 5; round++) {
    await publisher.publish("a", `away ${round}`, 1);
    expected.push(`away ${round}`);
    const client = await broker.connect("sub", { clean: false, hold: true });
    await publisher.publish("a", `there ${round}`, 1);
    assert.deepEqual(await client.payloadsBefore(`there ${round}`), expected);
    assert.equal((await client.message("sent")).packetId, packetId);
    expected.push(`there ${round}`);
    await broker.dropped(client, "sub", round + 1);
  }
});

test("[MQTT-4.1.0-2] a clean session lasts as long as its connection, whoever else comes and goes", async t => {
  const broker = await ObservedBroker.start(t);
  const client = await broker.connect("ward");
  await client.subscribe("a", 1);
  await client.subscribe("b", 1);
  const other = await broker.connect("other");
  for (const filter of ["a", "b", "#"]) await other.subscribe(filter, 1);
  await other.unsubscribe("a");
  other.disconnect();
  await broker.event("client-disconnected", "other");
  for (const clean of [true, false, true]) {
    const similar = await broker.connect("war", { clean });
    await similar.subscribe("a", 1);
    similar.socket.resetAndDestroy();
  }
  await client.unsubscribe("b");
  const publisher = await broker.connect("publisher");
  await publisher.publish("a", "still", 1);
  await client.message("still");
});
