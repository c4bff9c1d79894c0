import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SequenceTally } from "../../../src/domain/sequence-tally.js";

test("a tally counts gaps, doubles and order by run and seq", () => {
  const tally = new SequenceTally();
  const count = (seq: number, run = "aaaaaaaa", delivery: "live" | "retained" | "redelivered" = "live") =>
    tally.count({ machine: "M", delivery, run, seq });
  for (const seq of [1, 2, 5, 4, 4, 9]) assert.equal(count(seq), false);
  count(2, "aaaaaaaa", "retained");
  const [summary] = tally.summary();
  assert.deepEqual(
    [summary?.missing, summary?.duplicate, summary?.outOfOrder, summary?.received],
    [4, 1, 1, 7],
  );
  assert.equal(count(1, "bbbbbbbb"), false, "a later run");
  assert.equal(count(10, "aaaaaaaa", "redelivered"), false, "a redelivery may be of an earlier run");
  assert.equal(count(11), true, "two runs interleaved");
  assert.equal(count(2, "bbbbbbbb"), false, "told once");
});

test("any order of the same numbers gives no gap and no double", () => {
  const permutation = fc.shuffledSubarray([1, 2, 3, 4, 5, 6, 7, 8], { minLength: 8 });
  fc.assert(
    fc.property(permutation, seqs => {
      const tally = new SequenceTally();
      for (const seq of seqs) tally.count({ machine: null, delivery: "live", run: "aaaaaaaa", seq });
      const [summary] = tally.summary();
      assert.deepEqual([summary?.missing, summary?.duplicate], [0, 0]);
    }),
  );
});

test("a tally of endless runs and gaps counts them all, and remembers the latest", () => {
  const tally = new SequenceTally();
  const count = (run: string, seq: number) => tally.count({ machine: "M", delivery: "live", run, seq });
  for (let run = 0; run < 1000; run++) for (const seq of [1, 3]) count(`run${run}`, seq);
  for (let seq = 5; seq < 10_000; seq += 2) count("run999", seq);
  assert.deepEqual(counted(tally), { runs: 1000, missing: 1000 + 4998, duplicate: 0, outOfOrder: 0 });
  count("run999", 9_000);
  count("run999", 2);
  assert.deepEqual(counted(tally), { runs: 1000, missing: 1000 + 4997, duplicate: 1, outOfOrder: 1 });
});

function counted(tally: SequenceTally) {
  const [{ runs, missing, duplicate, outOfOrder } = assert.fail()] = tally.summary();
  return { runs, missing, duplicate, outOfOrder };
}
