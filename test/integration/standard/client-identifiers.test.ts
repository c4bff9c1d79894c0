import assert from "node:assert/strict";
import { test } from "node:test";
import { ObservedBroker } from "../../support/observed-broker.js";
import { connectPacket, field, packet } from "../../support/packets.js";
import {
  CLEAN,
  WILL,
  accepts,
  both,
  connectOf,
  endsWithoutAnswer,
  refusesWith,
  will,
  willQos,
} from "../../support/connect-cases.js";

test("[MQTT-3.1.3-1] [MQTT-3.1.3-3] the fields of the payload: identifier, will topic, will message, user name, password", async t => {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("#");
  const fields = ["1st", "2nd", "3rd", "4th", "5th"];
  const client = broker.send(connectOf({ flags: both | WILL | willQos(1), fields }));
  await client.connack();
  await broker.event("client-connected", "1st");
  client.socket.resetAndDestroy();
  assert.equal((await watcher.message("3rd")).topic, "2nd");
});

test("[MQTT-3.1.3-3] no client identifier: no CONNACK, and the end", t =>
  endsWithoutAnswer(t, [
    ["no payload", connectOf({ fields: [] })],
    ["half of its length", packet(0x10, field("MQTT"), Buffer.of(4, CLEAN, 0, 0), Buffer.of(0))],
    [
      "less than its length",
      packet(0x10, field("MQTT"), Buffer.of(4, CLEAN, 0, 0), field("client").subarray(0, -1)),
    ],
  ]));

test("[MQTT-3.1.3-2] the state belongs to the identifier: ones that differ in little are different clients", async t => {
  const long = "x".repeat(65_534);
  const ids = ["ward", "Ward", "ward ", " ward", "war", "ward1", "wärd", "wa\u0308rd", "ward/#", "+", "$SYS"];
  ids.push(`${long}1`, `${long}2`, "1", "01", "__proto__");
  const broker = await ObservedBroker.start(t, { limits: { "client-id-bytes": 65_535 } });
  for (const id of ids) {
    const client = broker.start(id, { clean: false });
    assert.deepEqual(await client.connack(), { sessionPresent: false, returnCode: 0 }, id);
    await client.subscribe("a", 1);
  }
  const connected = broker.all("client-connected").map(({ clientId }) => clientId);
  assert.deepEqual(connected, ids);
  assert.deepEqual(broker.all("client-disconnected"), []);
  for (const id of ids) {
    const client = broker.start(id, { clean: false });
    assert.equal((await client.connack()).sessionPresent, true, id);
  }
});

test("[MQTT-3.1.3-5] identifiers of 1 to 23 letters and digits", async t => {
  const letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  const single = letters.split("");
  const lengths = single.slice(0, 23).map((_, i) => letters.slice(i, i + i + 1));
  const own = ["constructor", "toString", "valueOf", "hasOwnProperty", "isPrototypeOf"];
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("will");
  const ids = [...new Set([...single, ...lengths, ...own])];
  for (const clientId of ids) {
    const client = await broker.connect(clientId, { will: will(clientId) });
    await client.ping();
    client.socket.resetAndDestroy();
    await watcher.message(clientId);
    const stored = broker.start(clientId, { clean: false });
    assert.equal((await stored.connack()).sessionPresent, false, clientId);
  }
});

test("[MQTT-3.1.3-5] MQTT 3.1 too: identifiers of 1 to 23 characters; [MQTT-3.1.3-9] another one: return code 2, and the end", async t => {
  const connect = (length: number) => connectOf({ name: "MQIsdp", level: 3, fields: ["x".repeat(length)] });
  await accepts(
    t,
    [1, 22, 23].map(length => [`${length} characters`, connect(length)]),
  );
  await refusesWith(
    t,
    2,
    [0, 24, 100].map(length => [`${length} characters`, connect(length)]),
  );
});

test("[MQTT-3.1.3-5] longer identifiers are accepted, up to what a string can hold", t =>
  accepts(
    t,
    [24, 100, 1000, 65_535].map(length => [
      `${length} characters`,
      connectPacket({ clientId: "x".repeat(length) }),
    ]),
    { "client-id-bytes": 65_535 },
  ));

test("[MQTT-3.1.3-6] clients with an empty identifier get unique ones, and are served like any other", async t => {
  const broker = await ObservedBroker.start(t);
  const watcher = await broker.watcher("will");
  const clients = await Promise.all(
    Array.from({ length: 10 }, (_, i) => broker.connect("", { will: will(`will ${i}`) })),
  );
  for (const client of clients) await client.subscribe("a", 1);
  const ids = broker.all("client-connected").map(({ clientId }) => clientId);
  assert.equal(new Set(ids).size, 11);
  assert.ok(!ids.includes(""));
  await watcher.publish("a", "x", 1);
  for (const client of clients) await client.message("x");
  for (const [i, client] of clients.entries()) {
    client.socket.resetAndDestroy();
    await watcher.message(`will ${i}`);
  }
  const published = broker.all("will-published").map(({ clientId }) => clientId);
  assert.deepEqual(published.toSorted(), ids.filter(id => id !== "watcher").toSorted());
});

test("[MQTT-3.1.3-7] [MQTT-3.1.3-9] [MQTT-3.1.4-5] an empty identifier with clean session 0: return code 2, the end, and nothing done", t =>
  refusesWith(t, 2, [
    ["alone", connectOf({ flags: 0, fields: [""] })],
    ["with a will", connectPacket({ clientId: "", clean: false, will: will("will") })],
  ]));
