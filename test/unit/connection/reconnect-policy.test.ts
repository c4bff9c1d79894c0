import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAddress } from "../../../src/protocol/broker-url.js";
import { ReconnectPolicy } from "../../../src/connection/reconnect-policy.js";
import { isUserError, UserError } from "../../../src/util/errors.js";

test("tries grow, end at the deadline, and three quick closes are a fight over the ID", () => {
  const settings = { clientId: "X", connectTimeout: 4000, reconnectTimeout: 300_000 };
  const refused = { error: Object.assign(new Error("x"), { code: "ECONNREFUSED" }), firstBytes: null };
  const closed = { error: null, firstBytes: null };
  const none = { failed: [], goesOn: false };
  const address = parseAddress("mqtt://h:1");
  assert.ok(address);
  const first = new ReconnectPolicy(settings, 0);
  const error = new UserError("no-broker", "x", "y");
  const failed = [{ address, error, reason: "z", isFinal: false }];
  const delays = [0, 1000, 2000].map(now => first.closed(address, refused, now, { failed, goesOn: false }));
  for (const [i, next] of delays.entries()) {
    assert.ok("inSeconds" in next);
    assert.ok(next.inSeconds >= 0.25 * 2 ** i && next.inSeconds <= 0.5 * 2 ** i);
    assert.equal(next.secondsLeft, 4 - i);
  }
  assert.equal(first.closed(address, refused, 4000, { failed, goesOn: false }), error);
  const fought = new ReconnectPolicy(settings, 0);
  const ends = [1000, 2000, 3000].map(now => {
    fought.accepted(now);
    return fought.closed(address, closed, now + 100, none);
  });
  assert.deepEqual(ends.map(isUserError), [false, false, true]);
  const killed = new ReconnectPolicy(settings, 0);
  const moves = ["mqtt://a:1", "mqtt://b:1", "mqtt://c:1"].map((url, i) => {
    killed.accepted(i * 1000);
    return killed.closed(parseAddress(url) ?? address, closed, i * 1000 + 100, none);
  });
  assert.deepEqual(moves.map(isUserError), [false, false, false], "three brokers that end are no fight");
});
