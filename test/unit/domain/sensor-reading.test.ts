import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseObject, readingId } from "../../../src/domain/sensor-reading.js";

test("a payload from anyone never breaks the reader", () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), payload => void readingId(parseObject(payload))));
  assert.deepEqual(readingId(parseObject('{"run":"0123abcd","seq":7}')), {
    run: "0123abcd",
    seq: 7,
    sentAt: null,
  });
  assert.deepEqual(readingId(parseObject('{"run":"0123abcd","seq":-7}')), {
    run: null,
    seq: null,
    sentAt: null,
  });
});
