import assert from "node:assert/strict";
import { test } from "node:test";
import { ObservedBroker } from "../../support/observed-broker.js";
import { connectPacket } from "../../support/packets.js";
import {
  CLEAN,
  type Case,
  WILL,
  connectOf,
  endings,
  endsWithoutAnswer,
  receivedSoFar,
  will,
  willQos,
} from "../../support/connect-cases.js";

const WILL_RETAIN = 0x20;

for (const qos of [0, 1, 2] as const)
  for (const retain of [false, true]) {
    const clause = retain ? "[MQTT-3.1.2-17]" : "[MQTT-3.1.2-16]";
    test(`[MQTT-3.1.2-9] ${clause} a will at QoS ${qos} with will retain ${retain ? 1 : 0} is published so`, async t => {
      const broker = await ObservedBroker.start(t);
      const watcher = await broker.watcher("will/+", 2);
      const publisher = await broker.connect("publisher");
      await publisher.publish("will/ward", "before", 1, true);
      const client = await broker.connect("ward", { will: { ...will("gone", "will/ward"), qos, retain } });
      assert.deepEqual(await watcher.payloadsBefore("before"), []);
      client.socket.resetAndDestroy();
      const live = await watcher.message("gone");
      assert.deepEqual([live.topic, live.qos, live.retain, live.dup], ["will/ward", qos, false, false]);
      const late = await broker.connect("late");
      await late.subscribe("will/#", 2);
      const kept = await late.message(retain ? "gone" : "before");
      assert.deepEqual([kept.qos, kept.retain], [retain ? qos : 1, true]);
      await publisher.publish("will/end", "end", 1);
      assert.deepEqual(await late.payloadsBefore("end"), [kept.payload]);
      assert.deepEqual(await watcher.payloadsBefore("end"), ["before", "gone"]);
    });
  }

test("[MQTT-3.1.2-9] a will message may be empty; with will retain it clears", async t => {
  const broker = await ObservedBroker.start(t);
  const publisher = await broker.connect("publisher");
  await publisher.publish("will", "kept", 1, true);
  const watcher = await broker.watcher("#");
  await watcher.message("kept");
  const client = await broker.connect("ward", { will: { ...will(""), retain: true } });
  client.socket.resetAndDestroy();
  assert.equal((await watcher.message("")).topic, "will");
  const late = await broker.connect("late");
  await late.subscribe("will", 1);
  await late.subscribe("marker", 1);
  assert.deepEqual(await receivedSoFar(broker, late), []);
});

test("[MQTT-3.1.2-9] will flag 1 without its fields: no CONNACK, and the end", t =>
  endsWithoutAnswer(t, [
    ["no will topic", connectOf({ flags: CLEAN | WILL })],
    ["no will message", connectOf({ flags: CLEAN | WILL, fields: ["client", "will"] })],
  ]));

for (const how of ["was published", "was discarded at DISCONNECT"])
  test(`[MQTT-3.1.2-10] [MQTT-3.1.2-12] a will that ${how} is not published by a later connection without one`, async t => {
    const broker = await ObservedBroker.start(t);
    const watcher = await broker.watcher("#");
    const published = how === "was published";
    const first = await broker.connect("ward", { clean: false, will: will("first") });
    if (published) first.socket.resetAndDestroy();
    else first.disconnect();
    await broker.event(published ? "will-published" : "will-discarded", "ward");
    for (const [i, [, end]] of endings.entries()) {
      end(await broker.connect("ward", { clean: false }));
      await broker.event("client-disconnected", "ward", i + 2);
    }
    assert.deepEqual(await receivedSoFar(broker, watcher), published ? ["first"] : []);
  });

test("[MQTT-3.1.2-11] [MQTT-3.1.2-13] [MQTT-3.1.2-15] will flag 0 with will QoS, will retain or will fields: no CONNACK, and the end", t =>
  endsWithoutAnswer(t, [
    ...[1, 2, 3].map((qos): Case => [`will QoS ${qos}`, connectOf({ flags: CLEAN | willQos(qos) })]),
    ["will retain", connectOf({ flags: CLEAN | WILL_RETAIN })],
    ["both", connectOf({ flags: CLEAN | WILL_RETAIN | willQos(1) })],
    ["will fields", connectOf({ fields: ["client", "will", "will"] })],
  ]));

test("[MQTT-3.1.2-14] will QoS 3: no CONNACK, the end, and no will", t => {
  const fields = ["client", "will", "will"];
  return endsWithoutAnswer(t, [
    ["not retained", connectOf({ flags: CLEAN | WILL | willQos(3), fields })],
    ["retained", connectOf({ flags: CLEAN | WILL | WILL_RETAIN | willQos(3), fields })],
  ]);
});

test("[MQTT-3.2.2-6] a will on a topic that no client may publish to: no CONNACK, the end, and no will", t =>
  endsWithoutAnswer(
    t,
    ["$SYS/will", "$SYS/broker/clients", "$SYS/", "will/+", "#", "will/#", ""].map((topic): Case => {
      const connect = { clientId: "client", will: { ...will("will", topic), retain: true } };
      return [`will topic "${topic}"`, connectPacket(connect)];
    }),
  ));

test("a will on a topic below $SYS: whoever asks for that topic by its name gets nothing, live or retained", async t => {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.connect("watcher");
  for (const filter of ["$SYS/will", "marker"]) await watcher.subscribe(filter, 1);
  const client = broker.start("client", { will: { ...will("will", "$SYS/will"), retain: true } });
  await client.ended();
  await watcher.subscribe("$SYS/will", 1);
  assert.deepEqual(await receivedSoFar(broker, watcher), []);
});

for (const qos of [1, 2] as const) {
  test(`a will at QoS ${qos} that is due at a takeover reaches the connection that took over`, async t => {
    const broker = await ObservedBroker.start(t);
    const first = await broker.connect("ward", { clean: false, will: { ...will("first"), qos } });
    await first.subscribe("will", 2);
    const second = broker.start("ward", { clean: false, will: { ...will("second"), qos } });
    assert.equal((await second.connack()).sessionPresent, true);
    assert.equal((await second.message("first")).qos, qos);
    const publisher = await broker.connect("publisher");
    await publisher.publish("will", "marker", 1);
    assert.deepEqual(await second.payloadsBefore("marker"), ["first"]);
    assert.deepEqual(first.publishes.items, []);
  });

  test(`a will at QoS ${qos} waits in the queue of its own client`, async t => {
    const broker = await ObservedBroker.start(t);
    const first = await broker.connect("ward", { clean: false, will: { ...will("own"), qos } });
    await first.subscribe("will", 2);
    await broker.dropped(first, "ward");
    await broker.event("will-published", "ward");
    const second = await broker.connect("ward", { clean: false });
    assert.equal((await second.message("own")).qos, qos);
  });
}

test("a retained will that is due at a takeover is there when the connection that took over subscribes", async t => {
  const broker = await ObservedBroker.start(t);
  await broker.connect("ward", { will: { ...will("first"), retain: true } });
  const second = await broker.connect("ward", { will: will("second") });
  await second.subscribe("will", 1);
  assert.equal((await second.message("first")).retain, true);
});
