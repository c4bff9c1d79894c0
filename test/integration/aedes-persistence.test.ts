import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { Persistence } from "../../src/broker/aedes/persistence.js";
import { ObservedBroker as Broker } from "../support/observed-broker.js";
import { field, packet, PacketType, uint16 } from "../support/packets.js";

const QOS = [0, 1, 2] as const;
const will = (topic: string) => ({ topic, payload: `will of ${topic}`, qos: 1, retain: true }) as const;

/** Records each method of its persistence that aedes calls, and each name that it does not find. */
function observePersistence(t: TestContext): { called: Set<string>; missing: Set<string> } {
  const called = new Set<string>();
  const missing = new Set<string>();
  const prototype = Persistence.prototype as unknown as Record<string, (...args: unknown[]) => unknown>;
  for (const [name, method] of methods(prototype)) {
    prototype[name] = new Proxy(method, {
      apply: (target, self, args: unknown[]) => {
        called.add(name);
        return Reflect.apply(target, self, args);
      },
    });
    t.after(() => {
      prototype[name] = method;
    });
  }
  Object.setPrototypeOf(
    prototype,
    new Proxy({}, { get: (_target, name) => void (typeof name === "string" && missing.add(name)) }),
  );
  t.after(() => void Object.setPrototypeOf(prototype, Object.prototype));
  return { called, missing };
}

const methods = (prototype: Record<string, (...args: unknown[]) => unknown>) =>
  Object.entries(Object.getOwnPropertyDescriptors(prototype))
    .filter(([name]) => name !== "constructor")
    .map(([name, { value }]) => [name, value as (...args: unknown[]) => unknown] as const);

function dataFolder(t: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), "lwt-test-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

const publishPacket = (topic: string, packetId: number, payload: string) =>
  packet(0x34, field(topic), uint16(packetId), Buffer.from(payload));

/** Publishes and receives with a clean and a stored session, at each QoS, live, queued and retained. */
async function exchangeMessages(broker: Broker): Promise<void> {
  const clean = await broker.connect("clean", { will: will("wills/clean") });
  const stored = await broker.connect("stored", { clean: false, will: will("wills/stored") });
  const clients = [clean, stored];
  for (const client of clients) await client.subscribe("#", 2);
  for (const qos of QOS)
    for (const retain of [false, true])
      for (const client of clients) {
        const payload = `${qos} ${retain} ${clients.indexOf(client)}`;
        await client.publish(`topics/${payload}`, payload, qos, retain);
        for (const each of clients) await each.message(payload);
      }
  for (const client of clients) {
    await client.unsubscribe("#");
    await client.subscribe("topics/#", 1); // finds retained messages
    await client.subscribe("wills/+", 1);
    await client.message("2 true 1");
  }

  stored.socket.resetAndDestroy(); // its will is published and retained
  await clean.message("will of wills/stored");
  for (const qos of QOS) await clean.publish("topics/queued", `queued ${qos}`, qos);
  const resumed = await broker.connect("stored", { clean: false, will: will("wills/again") });
  await resumed.message("queued 2");
  const taking = await broker.connect("stored", { clean: false });
  await resumed.ended();
  await taking.message("will of wills/again");
  taking.disconnect();
  await taking.ended();
}

test("aedes calls each method of its persistence, and looks for one more that it can do without", async t => {
  const { called, missing } = observePersistence(t);
  const folder = dataFolder(t);
  const first = await Broker.start(t, { data: { folder, sync: "write" } });
  await exchangeMessages(first);
  const unfinished = await first.connect("unfinished", { clean: false, holdPubrel: true, hold: true });
  await unfinished.subscribe("topics/#", 2);
  unfinished.socket.write(publishPacket("topics/2", 7, "unreleased"));
  await unfinished.packet("PUBREC", PacketType.pubrec);
  await first.connect("warded", { will: will("wills/warded") });
  await first.close();

  const second = await Broker.start(t, { data: { folder, sync: "write" } });
  const again = await second.connect("unfinished", { clean: false });
  await again.message("unreleased");
  again.acknowledge(PacketType.pubrel, 7);
  await again.packet("PUBCOMP", PacketType.pubcomp, 7);
  await exchangeMessages(second);
  await second.connect("unfinished"); // clean session 1 ends the stored one
  await second.event("session-ended", "unfinished");
  await second.close();

  const implemented = methods(Persistence.prototype as never).map(([name]) => name);
  assert.deepEqual([...called].toSorted(), implemented.toSorted());
  // aedes would call it for a refused client too, and reset the QoS 2 messages of the stored session.
  assert.deepEqual([...missing], ["cleanIncoming"]);
});

test("[MQTT-4.3.3-2] a refused client with clean session 1 does not reset the session of that name", async t => {
  const broker = await Broker.start(t, { limits: { "will-bytes": 20 } });
  const watcher = await broker.watcher("a", 2);
  const writer = await broker.connect("writer", { clean: false, holdPubrel: true });
  writer.socket.write(publishPacket("a", 1, "once"));
  await writer.packet("PUBREC", PacketType.pubrec);
  await broker.dropped(writer, "writer");
  const { returnCode } = await broker.start("writer", { will: will("a/long/enough/topic") }).connack();
  assert.equal(returnCode, 3);
  await broker.event("client-refused", "writer");

  const again = await broker.connect("writer", { clean: false });
  await again.publish("a", "once", 2); // with the same packet identifier
  await again.publish("a", "end", 2);
  assert.deepEqual(await watcher.payloadsBefore("end"), ["once"]);
});
