import assert from "node:assert/strict";
import { readdirSync, statSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { JournaledStore } from "../../../../../src/broker/store/journaled/journaled-store.js";
import type { Recovered } from "../../../../../src/broker/store/journaled/recovery.js";
import type { ApplicationMessage } from "../../../../../src/broker/message.js";
import type { QoS } from "../../../../../src/events/events.js";
import { durable, type Store } from "../../../../../src/broker/store/store.js";
import { temporaryFolder } from "../../../../support/processes.js";

const MIB = 1024 * 1024;
/** Of what is published only to fill files. */
const LARGE = Buffer.alloc(MIB / 4, "x");

const open = (folder: string): Promise<{ store: JournaledStore; recovered: Recovered }> =>
  JournaledStore.open(
    { folder, sync: "write" },
    { onDiskError: error => assert.fail(error ?? undefined), onDamaged: error => assert.fail(error) },
  );

function sizeOf(folder: string): number {
  const files = readdirSync(folder).filter(name => name.startsWith("journal-"));
  return files.reduce((sum, name) => sum + statSync(path.join(folder, name)).size, 0);
}

const message = (
  topic: string,
  payload: string | Buffer,
  qos: QoS = 1,
  retain = false,
): ApplicationMessage => ({
  topic,
  payload,
  qos,
  retain,
});

const accept = (store: Store, accepted: ApplicationMessage): Promise<void> =>
  new Promise((resolve, reject) =>
    store.accept(accepted, null, (_targets, error) => (error ? reject(error) : resolve())),
  );

/** So many bytes go through the journal, and the last quarter of a MiB of them stays. */
async function wear(store: Store, bytes: number): Promise<void> {
  for (let i = 0; i < bytes / LARGE.length; i++) await accept(store, message("worn", LARGE, 1, true));
}

/** All that a store holds, as one value. */
const contents = (store: Store) => ({
  sessions: [...store.storedSessions()].map(({ clientId, user, subscriptions, inboundQos2, queue }) => ({
    clientId,
    user,
    subscriptions: [...subscriptions.values()].map(({ topic, qos }) => ({ topic, qos })),
    received: [...inboundQos2],
    queue: Array.from(queue.values(), ({ message, qos, packetId, isReleased: released, retain }) => ({
      payload: String(message.payload),
      qos,
      packetId,
      released,
      retain,
    })),
  })),
  retained: [...store.retained()].map(({ topic, payload }) => `${topic} ${payload.length}`).toSorted(),
  wills: Array.from(
    store.wills(),
    ([clientId, { topic, payload }, user]) => `${clientId} ${user} ${topic} ${String(payload)}`,
  ),
});

test("what is stored survives that every file it was written to has gone, and is the same after a restart", async t => {
  const folder = temporaryFolder(t);
  const { store } = await open(folder);
  store.openStored("subscriber");
  const session = store.openStored("subscriber", "anna");
  store.openStored("subscriber", "ben"); // too late
  store.subscribe(session, { topic: "a", qos: 2 });
  store.subscribe(session, { topic: "gone", qos: 1 });
  store.unsubscribe(session, "gone");
  store.setWill("machine", message("will", "will"));
  store.setWill("hers", message("will", "hers"), "anna");
  store.setWill("graceful", message("will", "not this one"));
  store.clearWill("graceful");
  store.recordInboundQos2({ session, packetId: 7 });
  store.recordInboundQos2({ session, packetId: 8 });
  store.releaseInboundQos2({ session, packetId: 8 });
  await accept(store, message("kept", "retained", 1, true));
  await accept(store, message("cleared", "retained", 1, true));
  await accept(store, message("cleared", "", 1, true));
  for (let i = 0; i < 10; i++) await accept(store, message("a", `message ${i}`, i % 2 ? 2 : 1));
  const ended = store.openStored("ended");
  store.subscribe(ended, { topic: "a", qos: 1 });
  await accept(store, message("a", "for both"));
  store.end(ended);
  session.queue.connect();
  const sent = session.queue.assignPacketIds();
  store.recordPacketIds(session, sent, () => {});
  store.acknowledge(session, sent[0]?.packetId ?? 0);
  store.markReleased(session, sent[1]?.packetId ?? 0);
  store.acknowledge(session, sent[4]?.packetId ?? 0);
  await wear(store, 40 * MIB);
  for (let i = 10; i < 20; i++) await accept(store, message("a", `message ${i}`));
  await wear(store, 80 * MIB);
  const before = contents(store);
  assert.equal(before.sessions[0]?.queue.length, 19);
  assert.equal(before.sessions[0]?.user, "anna");
  assert.deepEqual(before.wills, ["machine null will will", "hers anna will hers"]);
  await store.close();
  assert.ok(!readdirSync(folder).includes("journal-00000001"));
  const again = await open(folder);
  assert.deepEqual(contents(again.store), before);
  await again.store.close();
});

test("the journal grows with what is stored, and not with what was ever sent", async t => {
  const folder = temporaryFolder(t);
  const { store } = await open(folder);
  const session = store.openStored("subscriber");
  store.subscribe(session, { topic: "a", qos: 1 });
  const sizes: number[] = [];
  for (let round = 0; round < 8; round++) {
    session.queue.connect();
    for (let i = 0; i < 100; i++) await accept(store, message("a", LARGE));
    for (const { packetId } of Array.from(session.queue.values())) store.acknowledge(session, packetId ?? 0);
    session.queue.disconnect();
    await durable(store);
    sizes.push(sizeOf(folder));
  }
  await store.close();
  const most = (2 * 25 + 16 + 8) * MIB; // twice what is stored, what is not worth tidying, and a file
  assert.ok(
    sizes.every(size => size < most),
    `${sizes.map(size => Math.round(size / MIB)).join(", ")} MiB`,
  );
});
