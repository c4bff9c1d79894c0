import assert from "node:assert/strict";
import { test } from "node:test";
import { rawText } from "../../../src/render/sub-text.js";
import { SequenceTally } from "../../../src/domain/sequence-tally.js";
import { plainScreen } from "../../support/screens.js";

test("the summary says from where on nothing is missing: what came before, nobody can know", () => {
  const summaryOf = (...seqs: number[]) => {
    const tally = new SequenceTally();
    for (const seq of seqs) tally.count({ machine: "M", delivery: "queued", run: "aaaaaaaa", seq });
    const time = new Date(0).toISOString();
    return rawText(plainScreen)({ time, event: "summary", machines: tally.summary() })?.err;
  };
  assert.equal(summaryOf(1, 2), "M  2 received: 2 queued; none missing, no duplicates");
  assert.equal(summaryOf(4, 5), "M  2 received: 2 queued; none missing from 4 on, no duplicates");
  assert.equal(summaryOf(4, 6), "M  2 received: 2 queued; 1 missing from 4 on, no duplicates");
  assert.match(summaryOf(4, 3) ?? "", /none missing, no duplicates, 1 out of order/);
});
