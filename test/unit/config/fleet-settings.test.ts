import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MAX_MACHINE_NUMBER, MAX_MACHINES } from "../../../src/config/options/pub-options.js";
import { separateRange } from "../../../src/config/settings/fleet-settings.js";

test("a fleet that overlaps with another is given a range that overlaps with neither", () => {
  assert.deepEqual(separateRange(1, 4), { first: 30_001, last: 30_004 });
  const number = fc.integer({ min: 1, max: MAX_MACHINE_NUMBER });
  const count = fc.integer({ min: 1, max: MAX_MACHINES });
  fc.assert(
    fc.property(number, count, number, count, (first, size, other, otherSize) => {
      const last = first + size - 1;
      const otherLast = other + otherSize - 1;
      fc.pre(last <= MAX_MACHINE_NUMBER && otherLast <= MAX_MACHINE_NUMBER);
      const next = separateRange(first, size);
      assert.equal(next.last - next.first + 1, size);
      assert.ok(next.first >= 1 && next.last <= MAX_MACHINE_NUMBER);
      assert.ok(next.first > last || next.last < first);
      if (other <= last && otherLast >= first) assert.ok(next.first > otherLast || next.last < other);
    }),
  );
  // The nearest cases: the other fleet is as large as one can be, and shares one machine.
  assert.ok(separateRange(1, 4).first > 4 + MAX_MACHINES - 1);
  const high = separateRange(MAX_MACHINE_NUMBER, 1);
  assert.ok(high.last < MAX_MACHINE_NUMBER - MAX_MACHINES + 1);
});
