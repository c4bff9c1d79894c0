import assert from "node:assert/strict";
import { test } from "node:test";
import { ObservedBroker } from "../../support/observed-broker.js";
import { connectPacket } from "../../support/packets.js";
import { type Case, connectOf, receivedSoFar, types, will } from "../../support/connect-cases.js";

test("[MQTT-3.1.4-2] a CONNECT that is refused does not end the connection that has its identifier, nor its session", async t => {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("#");
  const first = await broker.connect("ward", { clean: false, will: will("will") });
  await first.subscribe("a", 1);
  const refused: Case[] = [
    ["MQTT 5", connectPacket({ clientId: "ward", protocolLevel: 5 })],
    ["level 6", connectOf({ level: 6, fields: ["ward"] })],
    ["a will below $SYS", connectPacket({ clientId: "ward", will: will("will", "$SYS/will") })],
    ["a byte too many", connectOf({ fields: ["ward", ""] })],
    ["a wrong name", connectOf({ name: "mqtt", fields: ["ward"] })],
  ];
  for (const [what, bytes] of refused) {
    await broker.send(bytes).ended(what);
    await first.ping();
  }
  await watcher.publish("a", "x", 1);
  await first.message("x");
  first.disconnect();
  await broker.event("session-stored", "ward");
  for (const [what, bytes] of refused) await broker.send(bytes).ended(what);
  const again = broker.start("ward", { clean: false });
  assert.equal((await again.connack()).sessionPresent, true);
  assert.deepEqual(await receivedSoFar(broker, watcher), ["x"]);
});

test("[MQTT-3.1.4-2] three connections of one identifier: the last stays, the others are taken over, and their wills are sent", async t => {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("will");
  const [first, second, third] = [
    await broker.connect("ward", { will: will("first") }),
    await broker.connect("ward", { will: will("second") }),
    await broker.connect("ward", { will: will("third") }),
  ];
  await Promise.all([first.ended(), second.ended()]);
  await third.ping();
  await watcher.message("second");
  const causes = broker.all("client-disconnected", "ward").map(({ cause }) => cause);
  assert.deepEqual(causes, ["taken-over", "taken-over"]);
  third.socket.resetAndDestroy();
  assert.deepEqual(await watcher.payloadsBefore("third"), ["first", "second"]);
  const published = broker.all("will-published", "ward").map(({ cause }) => cause);
  assert.deepEqual(published.slice(0, 2), ["taken-over", "taken-over"]);
});

for (const clean of [true, false])
  test(`[MQTT-3.1.4-2] three connections of one identifier at the same moment, clean session ${clean ? 1 : 0}: one stays, and each other one that had a CONNACK has its will sent`, async t => {
    const broker = await ObservedBroker.start(t);
    const watcher = await broker.watcher("#");
    const expected: string[] = [];
    for (let round = 0; round < 20; round++) {
      const id = `ward${round}`;
      const clients = [1, 2, 3].map(i => ({
        name: `${id}.${i}`,
        client: broker.start(id, { clean, will: will(`${id}.${i}`) }),
      }));
      const open = new Set(clients);
      while (open.size > 1) {
        const ends = Array.from(open, each => each.client.ended(each.name).then(() => each));
        open.delete(await Promise.race(ends));
      }
      const [stays] = open;
      await stays?.client.connack();
      await stays?.client.ping();
      const left = clients.filter(each => each !== stays && types(each.client).length > 0);
      expected.push(...left.map(({ name }) => name));
      for (const { name } of left) await watcher.message(name);
      const causes = broker.all("client-disconnected", id).map(({ cause }) => cause);
      assert.deepEqual(
        causes,
        left.map(() => "taken-over"),
      );
    }
    assert.deepEqual((await receivedSoFar(broker, watcher)).toSorted(), expected.toSorted());
  });
