import assert from "node:assert/strict";
import { test } from "node:test";
import { breaks } from "./chaos/breaks.js";
import { lwtBroker } from "./chaos/brokers.js";
import { chaos } from "./chaos/chaos.js";
import { Ledger } from "./chaos/ledger.js";
import { isKept, judge } from "./chaos/verdict.js";

test("chaos: what a broker acknowledged outlives kill -9 of it and of its publishers", async () => {
  const { report, isRight } = await chaos({ kills: 7, seed: 7, broker: lwtBroker("disk") });
  assert.ok(isRight, report);
  for (const line of report.split("\n")) assert.ok(line.length <= 80, line);
});

test("chaos notices a store that is broken on purpose", { concurrency: 2 }, async t => {
  const each = Object.entries(breaks).map(([name, broken]) =>
    t.test(name, async () => {
      const { report, isRight } = await chaos({ kills: 2, seed: 3, broker: lwtBroker("write"), broken });
      assert.ok(isRight, report);
    }),
  );
  await Promise.all(each);
});

/** A QoS 2 stream of 1, 2 and 3, retained, of which that much came. */
function ledgerOf(came: number[]): Ledger {
  const ledger = new Ledger();
  ledger.stream("run", "topic", 2, true).acknowledged = new Set([1, 2, 3]);
  ledger.session("session", 2).byRun.set("run", came);
  ledger.retained.set("topic", { run: "run", seq: 3 });
  Object.assign(ledger.will("will"), { least: 1, most: 1, out: 1 });
  return ledger;
}

test("chaos counts what is lost, doubled and reordered, wills and retained messages", () => {
  assert.ok(isKept(judge(ledgerOf([1, 2, 3]))));
  const counts = (came: number[]) => {
    const { lost, doubledAtQos2, reordered } = judge(ledgerOf(came));
    return [lost, doubledAtQos2, reordered];
  };
  assert.deepEqual(counts([1, 3]), [1, 0, 0]);
  assert.deepEqual(counts([1, 2, 1, 3]), [0, 1, 0]);
  assert.deepEqual(counts([1, 3, 2]), [0, 0, 1]);
  const ledger = ledgerOf([1, 2, 3]);
  ledger.retained.set("topic", { run: "run", seq: 2 });
  assert.equal(judge(ledger).retainedRight, 0);
  const { willsDue, willsOut, willsDoubled, willsAfterDisconnect } = judgeOfWills();
  assert.deepEqual([willsDue, willsOut, willsDoubled, willsAfterDisconnect], [2, 1, 1, 1]);
});

function judgeOfWills() {
  const ledger = new Ledger();
  Object.assign(ledger.will("missing"), { least: 1, most: 1, out: 0 });
  Object.assign(ledger.will("doubled"), { least: 1, most: 1, out: 2 });
  Object.assign(ledger.will("after DISCONNECT"), { least: 0, most: 0, out: 1 });
  Object.assign(ledger.will("before its CONNACK"), { least: 0, most: 1, out: 1 });
  return judge(ledger);
}
