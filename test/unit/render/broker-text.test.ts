import type { ConnectPacket } from "../../../src/broker/protocol-engine.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMITS, pastLimit } from "../../../src/broker/limits/limits.js";
import { refusalReason } from "../../../src/broker/connack-reasons.js";
import type { BrokerEvent, LimitName } from "../../../src/events/events.js";
import { brokerText } from "../../../src/render/broker-text.js";
import { escapeText } from "../../../src/render/escape.js";
import { plainTheme, themeFor } from "../../../src/render/theme.js";
import { plainScreen } from "../../support/screens.js";

const time = new Date(2026, 0, 2, 14, 3, 5).toISOString();
const clientId = "Machine1";
const topic = "Binil/Machine1/Status";

/** The lines of the log for these events. */
function shown(events: BrokerEvent[], paint = plainTheme) {
  const render = brokerText({ ...plainScreen, out: paint });
  return events.map(event => render({ time, ...event }) ?? {});
}

test("the log of a connection, aligned, with clauses at the right edge", () => {
  const lines = shown([
    {
      event: "client-connected",
      user: null,
      clientId,
      address: "127.0.0.1:50000",
      cleanSession: false,
      sessionPresent: false,
      keepAlive: 60,
      protocolVersion: "3.1.1",
    },
    { event: "will-stored", clientId, topic, qos: 1, retain: true },
    { event: "client-disconnected", clientId, cause: "keep-alive-timeout", limit: null },
    { event: "session-stored", clientId, queued: 0 },
    { event: "will-published", clientId, topic, cause: "keep-alive-timeout", clause: "[MQTT-3.1.2-8]" },
    { event: "message-queued", clientId: "Subscriber1", topic, packetId: null, queued: 3 },
    { event: "will-discarded", clientId, topic, cause: "graceful", clause: "[MQTT-3.14.4-3]" },
  ]);
  assert.deepEqual(
    lines.map(({ out }) => out),
    [
      "14:03:05  Machine1     connected, stored session, keep alive 60 s",
      "14:03:05  Machine1     will stored, QoS 1, retained → Binil/Machine1/Status",
      "14:03:05  Machine1     disconnected: silent for 1.5 × keep alive [MQTT-3.1.2-24]",
      "14:03:05  Machine1     session stored, nothing queued",
      "14:03:05  Machine1     will PUBLISHED → Binil/Machine1/Status     [MQTT-3.1.2-8]",
      "14:03:05  Subscriber1  3 queued ← Binil/Machine1/Status",
      "14:03:05  Machine1     will discarded: DISCONNECT                [MQTT-3.14.4-3]",
    ],
  );
});

test("colour only adds", async () => {
  const events: BrokerEvent[] = [
    { event: "listening", url: "mqtt://h:1", urls: ["mqtt://h:1"], pid: 1, data: null, sync: null },
    { event: "will-published", clientId, topic, cause: "network-error", clause: "[MQTT-3.1.2-8]" },
  ];
  // oxlint-disable-next-line no-control-regex -- colours are control sequences
  const plain = shown(events, await themeFor(true)).map(({ out = "" }) =>
    out.replaceAll(/\u001b\[\d+m/g, ""),
  );
  assert.deepEqual(
    plain,
    shown(events).map(({ out }) => out),
  );
});

test("names and topics from the network: escaped, and cut to 80 columns", () => {
  const hostile = "\u001b[2J\u202e\n".repeat(30);
  const lines = shown([
    { event: "client-refused", clientId: hostile, address: "[::1]:1", reason: hostile, limit: null },
    { event: "subscribed", clientId: hostile, topicFilter: hostile, qos: 1 },
    { event: "will-published", clientId, topic: hostile, cause: "graceful", clause: "[MQTT-3.1.2-8]" },
  ]);
  for (const { out = "" } of lines) {
    assert.equal(escapeText(out), out);
    assert.equal(out.length, 80);
    assert.ok(out.includes("…"));
  }
});

test("a client without an identifier is shown by its address", () => {
  const [line] = shown([
    {
      event: "client-refused",
      clientId: null,
      address: "10.0.0.7:4711",
      reason: "no valid CONNECT",
      limit: null,
    },
  ]);
  assert.equal(line?.out, "14:03:05  10.0.0.7:4711  refused: no valid CONNECT");
});

test("warnings and errors go to stderr, with what to do", () => {
  const [line] = shown([{ event: "warning", code: "any", message: "what is wrong.", hint: "What to do." }]);
  assert.deepEqual(line, { err: "lwt-broker: what is wrong.\n  What to do." });
});

test("why MQTT 5 is refused, and what to use, fits beside a long name", () => {
  const reason = refusalReason(1, { protocolVersion: 5 } as ConnectPacket, null, null);
  const address = "127.0.0.1:50000";
  const [line] = shown([
    { event: "client-refused", clientId: "A-long-identifier", address, reason, limit: null },
  ]);
  assert.match(line?.out ?? "", /use 3\.1\.1, or Mosquitto$/);
});

test("each limit is logged in one line of 80 columns", () => {
  for (const [name, { default: max, event }] of Object.entries(LIMITS)) {
    const limit = { name: name as LimitName, max };
    const reason = pastLimit(limit);
    const address = "127.0.0.1:50000";
    const events: Record<typeof event, BrokerEvent> = {
      "client-disconnected": { event: "client-disconnected", clientId, cause: "limit", limit },
      "client-refused": { event: "client-refused", clientId: null, address, reason, limit },
      "subscription-refused": { event: "subscription-refused", clientId, topicFilter: "a/b", limit },
      "message-dropped": {
        event: "message-dropped",
        clientId,
        topic: "a/b",
        packetId: null,
        queued: 3,
        limit,
      },
      "will-not-retained": { event: "will-not-retained", clientId, topic: "a/b", limit },
    };
    const [line] = shown([events[event]]);
    assert.ok(line?.out?.includes(reason), line?.out);
    assert.ok((line?.out?.length ?? 0) <= 80, line?.out);
  }
});

test("a packet of --debug: whose it is, its direction, and what it is, on stderr", () => {
  const address = "127.0.0.1:50000";
  const lines = shown([
    { event: "packet", clientId: null, address, direction: "received", description: "CONNECT" },
    { event: "packet", clientId, address, direction: "sent", description: "PINGRESP" },
  ]);
  assert.deepEqual(lines, [
    { err: "14:03:05  127.0.0.1:50000 <- CONNECT" },
    { err: "14:03:05  Machine1 -> PINGRESP" },
  ]);
});
