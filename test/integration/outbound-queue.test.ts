import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { startBroker } from "../../src/broker/start-broker.js";
import type { BrokerEvent, QoS } from "../../src/events/events.js";
import { ObservedBroker } from "../support/observed-broker.js";
import { RawClient } from "../support/raw-client.js";
import { WaitableList } from "../support/waitable-list.js";
import { ALL_QOS, DISCONNECT, RETAIN, numbers, publishPacket } from "../support/request-packets.js";

test("a session's queue past its limit: the oldest message is dropped, and told; what was sent is kept", async t => {
  const broker = await ObservedBroker.start(t, { limits: { "queued-messages": 3 } });
  const sub = await broker.connect("sub", { clean: false, hold: true });
  await sub.subscribe("a", 1);
  const publisher = await broker.connect("publisher");
  await publisher.publish("a", "sent", 1);
  await sub.message("sent");
  await broker.dropped(sub, "sub");
  for (const payload of ["1", "2", "3", "4"]) await publisher.publish("a", payload, 1);
  const limit = { name: "queued-messages", max: 3 };
  const dropped = { event: "message-dropped", clientId: "sub", topic: "a", packetId: null, queued: 3, limit };
  assert.deepEqual(broker.all("message-dropped", "sub"), [dropped, dropped]);
  const again = await broker.connect("sub", { clean: false });
  assert.deepEqual([...(await again.payloadsBefore("4")), "4"], ["sent", "3", "4"]);
});

test("retained messages that nobody acknowledges fill no queue past its limit", async t => {
  const broker = await ObservedBroker.start(t, { limits: { "queued-messages": 3 } });
  const publisher = await broker.connect("publisher");
  for (const topic of ["a/1", "a/2"]) await publisher.publish(topic, "kept", 1, true);
  const sub = await broker.connect("sub", { clean: false, hold: true });
  for (let i = 0; i < 5; i++) await sub.subscribe("a/#", 1);
  await broker.waitFor("7 of 10 dropped", () => broker.all("message-dropped", "sub").length === 7);
  assert.equal((await broker.dropped(sub, "sub")).queued, 3);
});

/** A broker whose sink takes the first event of that name only when told to. */
async function heldAt(t: TestContext, name: BrokerEvent["event"], maxQueued = 100) {
  const events = new WaitableList<BrokerEvent>();
  let take = () => {};
  let held = false;
  const limits = { "queued-messages": maxQueued };
  const running = await startBroker({ host: "127.0.0.1", port: 0, limits }, event => {
    events.push(event);
    if (event.event !== name || held) return undefined;
    held = true;
    return new Promise<void>(resolve => (take = resolve));
  });
  t.after(() => running.close());
  return { port: running.port, events, take: () => take() };
}

test("while the sink is slow a will waits; the next connection of its client keeps its own [MQTT-3.1.2-8]", async t => {
  const { port, events, take } = await heldAt(t, "client-disconnected");
  const will = (payload: string) => ({ topic: "will", payload, qos: 1, retain: false }) as const;
  const watcher = await RawClient.connect(t, port, { clientId: "watcher" });
  await watcher.subscribe("will", 1);
  const first = await RawClient.connect(t, port, { clientId: "ward", will: will("first") });
  first.socket.resetAndDestroy();
  const named = (name: string) => events.items.filter(({ event }) => event === name);
  await events.waitFor("its end", () => named("client-disconnected")[0]);
  const second = RawClient.start(t, port, { clientId: "ward", will: will("second") });
  for (let round = 0; round < 20; round++) await watcher.ping();
  assert.deepEqual([watcher.publishes.items, second.packets.items], [[], []]);
  assert.deepEqual(named("will-published"), []);
  take();
  await watcher.message("first");
  await second.connack();
  await second.ping();
  second.socket.resetAndDestroy();
  assert.deepEqual(await watcher.payloadsBefore("second"), ["first"]);
  await events.waitFor("both wills", () => named("will-published").length === 2 || undefined);
});

for (const count of [2, 3])
  test(`while the sink is slow ${count} connections ask for one session: the last has it, and keeps it [MQTT-3.1.4-2]`, async t => {
    const { port, take } = await heldAt(t, "subscribed");
    const watcher = await RawClient.connect(t, port, { clientId: "watcher" });
    await watcher.subscribe("a", 1);
    const options = { clientId: "ward", clean: false };
    const asking: RawClient[] = [];
    for (let i = 0; i < count; i++) {
      asking.push(RawClient.start(t, port, options));
      for (let round = 0; round < 5; round++) await watcher.ping();
    }
    take();
    const last = asking.at(-1) ?? assert.fail();
    assert.deepEqual(await last.connack(), { sessionPresent: false, returnCode: 0 });
    for (const other of asking.slice(0, -1)) await other.closed;
    await last.subscribe("b", 1);
    await watcher.publish("b", "live", 1);
    await last.message("live");
    last.disconnect();
    await last.closed;
    await watcher.publish("b", "queued", 1);
    const again = RawClient.start(t, port, options);
    assert.equal((await again.connack()).sessionPresent, true);
    await again.message("queued");
  });

for (const qos of ALL_QOS)
  test(`while the sink is slow a retained message at QoS ${qos} waits, and counts though DISCONNECT follows it`, async t => {
    const { port, events, take } = await heldAt(t, "subscribed");
    const sub = await RawClient.connect(t, port, { clientId: "sub" });
    const publisher = await RawClient.connect(t, port, { clientId: "publisher" });
    await sub.subscribe("a", 1);
    publisher.socket.write(Buffer.concat([publishPacket("a", "x", qos, 1, RETAIN), DISCONNECT]));
    await publisher.closed;
    take();
    await events.waitFor("its end", all => all.find(({ event }) => event === "client-disconnected"));
    const other = await RawClient.connect(t, port, { clientId: "other" });
    await other.publish("a", "end", 1);
    assert.deepEqual(await sub.payloadsBefore("end"), ["x"]);
  });

test("while the sink is slow messages are taken, and what there is to tell of them is counted", async t => {
  const { port, events, take } = await heldAt(t, "subscribed", 3);
  const publisher = await RawClient.connect(t, port, { clientId: "publisher" });
  const sub = await RawClient.connect(t, port, { clientId: "sub", clean: false });
  await sub.subscribe("a", 1);
  sub.disconnect();
  await sub.closed;
  for (let i = 1; i <= 10; i++) await publisher.publish("a", String(i), 1);
  const names = () => events.items.map(({ event }) => event);
  assert.equal(names().includes("message-dropped"), false);
  take();
  const counted = { event: "events-omitted", count: 10 + 7 } as const; // queued, and dropped
  assert.deepEqual(
    await events.waitFor("omitted", all => all.find(({ event }) => event === counted.event)),
    counted,
  );
  await publisher.publish("a", "11", 1);
  assert.ok(names().includes("message-dropped"), names().join());
});

test("a clean session that has ended is owed nothing", async t => {
  const broker = await ObservedBroker.start(t);
  for (const end of ["disconnect", "reset"]) {
    const sub = await broker.connect(end);
    await sub.subscribe("a", 1);
    if (end === "disconnect") sub.disconnect();
    else sub.socket.resetAndDestroy();
    await broker.event("client-disconnected", end);
    const publisher = await broker.connect("publisher");
    await publisher.publish("a", "x", 1);
    assert.deepEqual(broker.all("message-queued"), []);
    const again = await broker.connect(end);
    await again.subscribe("b", 1);
    await publisher.publish("b", "end", 1);
    assert.deepEqual(await again.payloadsBefore("end"), []);
  }
});

test("the broker's status has the will of each connection that is there, and no other", async t => {
  const broker = await ObservedBroker.start(t);
  const will = (qos: QoS) => ({ topic: "will", payload: "x", qos, retain: false });
  const wills = async (id: string) => {
    const client = await broker.connect(id);
    await client.subscribe("$SYS/lwt-broker/status", 1);
    const { payload } = await client.publishes.waitFor("status", all => all[0]);
    return (JSON.parse(payload) as { wills: { clientId: string; qos: QoS }[] }).wills.map(({ qos }) => qos);
  };
  await broker.connect("ward", { will: will(0) });
  const second = await broker.connect("ward", { will: will(1) });
  await broker.event("will-published", "ward");
  assert.deepEqual(await wills("one"), [1]);
  second.disconnect();
  await broker.event("will-discarded", "ward");
  assert.deepEqual(await wills("two"), []);
});

test("what comes after DISCONNECT is not the cause of the end", async t => {
  const broker = await ObservedBroker.start(t);
  const will = { topic: "will", payload: "x", qos: 1, retain: false } as const;
  const client = await broker.connect("client", { will });
  client.socket.write(Buffer.concat([DISCONNECT, Buffer.of(0, 0)]));
  assert.equal((await broker.event("client-disconnected", "client")).cause, "graceful");
  assert.equal((await broker.event("will-discarded", "client")).cause, "graceful");
});

test("a message arrives whole where the length of its packet takes one more byte (2.2.3)", async t => {
  const broker = await ObservedBroker.start(t);
  const publisher = await broker.connect("publisher");
  for (const [qos, head] of [
    [0, 3],
    [1, 5],
  ] as const) {
    const sub = await broker.connect(`sub${qos}`);
    await sub.subscribe("a", qos);
    const sizes = [127, 128, 16_383, 16_384].map(rest => rest - head);
    const payloads = [0, 1, ...sizes].map(size => "x".repeat(size));
    for (const payload of payloads) await publisher.publish("a", payload, 1);
    await publisher.publish("a", "end", 1);
    assert.deepEqual(await sub.payloadsBefore("end"), payloads);
  }
});

test("a client that does not read: at QoS 1 the rest waits for it, at QoS 0 it is dropped, and told", async t => {
  const broker = await ObservedBroker.start(t);
  const [once, kept] = [await broker.connect("once"), await broker.connect("kept")];
  await once.subscribe("a", 0);
  await kept.subscribe("a", 1);
  for (const { socket } of [once, kept]) socket.pause();
  const publisher = await broker.connect("publisher");
  const payload = "x".repeat(100_000);
  const count = 200;
  for (const i of numbers(count)) await publisher.publish("a", `${i} ${payload}`, 1);
  const delivered = broker.all("message-delivered", "once").length;
  const sent = broker.all("message-delivered", "kept").length;
  for (const { socket } of [once, kept]) socket.resume();
  assert.equal(delivered + broker.all("message-dropped", "once").length, count);
  assert.ok(delivered < count && sent < count, `${delivered} at QoS 0, ${sent} at QoS 1`);
  await once.publishes.waitFor("what was sent", all => all.length === delivered || undefined);
  await publisher.publish("a", "end", 1);
  for (const client of [once, kept]) await client.message("end");
  const came = (client: RawClient) => client.publishes.items.map(each => Number.parseInt(each.payload, 10));
  assert.deepEqual(came(once).slice(0, -1), numbers(delivered));
  assert.deepEqual(came(kept).slice(0, -1), numbers(count));
});
