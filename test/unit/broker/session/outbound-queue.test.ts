import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { MAX_IN_FLIGHT } from "../../../../src/broker/limits/limits.js";
import { OutboundQueue } from "../../../../src/broker/session/outbound-queue.js";

const message = { topic: "a", payload: "x", qos: 1, retain: false } as const;

test("what is given up is the oldest that was never sent: the client may know the others", () => {
  const queue = new OutboundQueue();
  for (const identity of [1, 2, 3]) queue.add(identity, message, 1, false);
  queue.connect();
  assert.deepEqual(
    queue.assignPacketIds().map(({ packetId }) => packetId),
    [1, 2, 3],
  );
  assert.equal(queue.next()?.queued.identity, 1);
  assert.equal(queue.dropOldest()?.identity, 2);
  assert.equal(queue.next()?.queued.identity, 3);
  assert.equal(queue.dropOldest(), null);
  queue.connect();
  assert.deepEqual(
    [queue.next(), queue.next()].map(each => [each?.queued.identity, each?.dup]),
    [
      [1, true],
      [3, true],
    ],
  );
});

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Returns how many of them are still in memory. */
async function kept(given: WeakRef<object>[]): Promise<number> {
  await setImmediate(); // a WeakRef holds its target until then
  collect();
  return given.filter(each => each.deref() !== undefined).length;
}

test("of what is given up nothing is kept, while a client takes nothing; the newest stay, in order", async () => {
  const queue = new OutboundQueue();
  queue.connect();
  const given: WeakRef<object>[] = [];
  for (let identity = 1; identity <= 10_000; identity++) {
    const { message: own } = queue.add(identity, { ...message }, 1, false);
    if (queue.length <= 10) continue;
    given.push(new WeakRef(own));
    assert.equal(queue.dropOldest()?.identity, identity - 10);
  }
  assert.ok((await kept(given)) < 2_000);
  const left = Array.from({ length: 10 }, () => queue.next() ?? (queue.assignPacketIds() && queue.next()));
  assert.deepEqual(
    left.map(each => each?.queued.identity),
    Array.from({ length: 10 }, (_, i) => 9_991 + i),
  );
});

test("of what is given up nothing is kept, while a client acknowledges nothing and is asked each time", async () => {
  const queue = new OutboundQueue();
  queue.connect();
  for (let identity = 1; identity <= MAX_IN_FLIGHT; identity++) queue.add(identity, message, 1, false);
  for (let sent = 1; sent <= MAX_IN_FLIGHT; sent++) assert.ok(queue.next());
  const given: WeakRef<object>[] = [];
  for (let identity = MAX_IN_FLIGHT + 1; identity <= 10_000; identity++) {
    const { message: own } = queue.add(identity, { ...message }, 1, false);
    assert.equal(queue.next(), null, "all that may be on their way are");
    if (queue.length <= MAX_IN_FLIGHT + 10) continue;
    given.push(new WeakRef(own));
    assert.equal(queue.dropOldest()?.identity, identity - 10);
  }
  assert.ok((await kept(given)) < 2_000);
  assert.equal(queue.length, MAX_IN_FLIGHT + 10); // uses the queue, so that it was not collected before
});

test("a packet identifier that is in use is not given out again [MQTT-2.3.1-4]", () => {
  const queue = new OutboundQueue();
  queue.connect();
  queue.add(0, message, 1, false);
  const held = queue.next()?.packetId;
  for (let identity = 1; identity <= 65_535; identity++) {
    queue.add(identity, message, 1, false);
    const packetId = queue.next()?.packetId ?? 0;
    assert.notEqual(packetId, held);
    assert.ok(packetId >= 1 && packetId <= 65_535);
    queue.acknowledge(packetId);
  }
  assert.equal(queue.inFlight, 1);
});

test("what is acknowledged before a new connection has sent it again is not in flight there", () => {
  const queue = new OutboundQueue();
  queue.connect();
  for (const identity of [1, 2]) queue.add(identity, message, 1, false);
  const [first, second] = [queue.next(), queue.next()];
  assert.equal(queue.inFlight, 2);
  queue.disconnect();
  queue.connect();
  queue.acknowledge(first?.packetId ?? 0);
  assert.deepEqual([queue.inFlight, queue.length], [0, 1]);
  assert.equal(queue.next()?.packetId, second?.packetId);
  assert.equal(queue.inFlight, 1);
});
