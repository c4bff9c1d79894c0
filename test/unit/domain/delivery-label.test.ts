import assert from "node:assert/strict";
import { test } from "node:test";
import { type ReceivedMessage, labelDelivery } from "../../../src/domain/delivery-label.js";

const arrival: ReceivedMessage = {
  retain: false,
  dup: false,
  packetId: 1,
  sessionPresent: true,
  isDrained: false,
  connectedAt: 1000,
  sentAt: null,
  matchesFilter: true,
};

test("each label comes from its evidence", () => {
  assert.equal(labelDelivery({ ...arrival, retain: true, dup: true }).delivery, "retained");
  assert.equal(labelDelivery({ ...arrival, dup: true }).delivery, "redelivered");
  assert.match(labelDelivery(arrival).evidence, /may have been published after this client connected/);
  assert.match(labelDelivery({ ...arrival, sentAt: 1 }).evidence, /before this connection/);
  assert.equal(labelDelivery({ ...arrival, isDrained: true }).delivery, "live");
  assert.equal(labelDelivery({ ...arrival, sessionPresent: false, isDrained: true }).delivery, "live");
  assert.match(labelDelivery({ ...arrival, matchesFilter: false }).evidence, /no filter of this run/);
});
