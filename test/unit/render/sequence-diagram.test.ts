import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import stringWidth from "string-width";
import type { LessonEvent, ProcessEvent, Timed } from "../../../src/events/events.js";
import { toAscii } from "../../../src/render/ascii.js";
import { escapeText } from "../../../src/render/escape.js";
import { sequenceDiagram } from "../../../src/render/sequence-diagram/sequence-diagram.js";
import { plainScreen } from "../../support/screens.js";

const time = "2026-03-01T14:03:05.000Z";

/** The lines of these events. By default the lesson has a publisher, a broker and a subscriber. */
function draw(
  events: (Record<string, unknown> & { event: string })[],
  { width = 80, more = [] as { name: string; command: string }[] } = {},
): string[] {
  const render = sequenceDiagram({ ...plainScreen, width });
  const participants = [
    { name: "broker", command: "lwt-broker" },
    { name: "Subscriber1", command: "sub-lwt" },
    { name: "Machine1", command: "pub-lwt" },
    ...more,
  ];
  const all = [{ event: "lesson", name: "l", title: "t", claims: [], participants }, ...events];
  const texts = all.map(event => render({ time, ...event } as Timed<LessonEvent | ProcessEvent>));
  return texts.flatMap(text => (text?.out === undefined ? [] : text.out.split("\n")));
}

const asExpected = { mandatory: true, deviation: false, reason: null, seconds: null };
const noMore = { predictions: 0, correctPredictions: 0, deviations: 0, notObserved: 0, next: null };

const connecting = (process: string) => ({ event: "connecting", process, broker: "b", clientId: process });
const reading = {
  topic: "Binil/Machine1/SensorData",
  payload: "{}",
  qos: 1,
  packetId: 7,
  seq: 3,
  run: "0123abcd",
};
const received = {
  ...reading,
  payloadBase64: null,
  dup: false,
  retain: false,
  machine: "Machine1",
  delivery: "live",
};
const vanishing = [
  connecting("Machine1"),
  connecting("Subscriber1"),
  { event: "will-stored", process: "broker", clientId: "Machine1", topic: "t", qos: 1, retain: true },
  { event: "published", process: "Machine1", ...reading },
  { event: "message", process: "Subscriber1", ...received },
  { event: "acknowledged", process: "Machine1", ...reading, milliseconds: 1 },
  { event: "failing", process: "Machine1", cause: "no-disconnect", keepAliveDeadline: null },
  { event: "client-disconnected", process: "broker", clientId: "Machine1", cause: "connection-closed" },
  {
    event: "will-published",
    process: "broker",
    clientId: "Machine1",
    topic: "t",
    cause: "connection-closed",
  },
  {
    event: "status",
    process: "Subscriber1",
    machine: "Machine1",
    state: "offline",
    topic: "Binil/Machine1/Status",
    payload: "Sensor Offline",
    delivery: "live",
  },
];

test("a message's way, and a connection that is lost, are drawn between the lifelines", () => {
  assert.deepEqual(draw(vanishing).slice(1), [
    "",
    "Machine1                      broker                     Subscriber1",
    "    │── CONNECT ────────────────▶│",
    "    │                            │◀──────────────── CONNECT ──│",
    "    │                            │ stores the will            │",
    "    │── PUBLISH 3 #7, QoS 1 ────▶│                            │",
    "    │                            │── PUBLISH 3 #7, QoS 1 ────▶│ LIVE",
    "    │◀────────────── PUBACK #7 ──│                            │",
    "    ╳ closes, no DISCONNECT      │                            │",
    "    ┆                            │ no DISCONNECT came         │",
    "    ┆                            │ will PUBLISHED             │",
    '    ┆                            │── "Sensor Offline" ───────▶│ OFFLINE',
  ]);
});

test("nothing arrives through a cut cable", () => {
  const sent = { event: "published", process: "Machine1", ...reading };
  const events = [
    connecting("Machine1"),
    { event: "link", process: "Machine1", state: "cut" },
    sent,
    { event: "link", process: "Machine1", state: "mended" },
    { ...sent, dup: true },
    { event: "link", process: "Nobody", state: "cut" },
  ];
  assert.deepEqual(draw(events).slice(3), [
    "    │── CONNECT ────────────────▶│",
    "    │        ╳ cable cut         │",
    "    │── PUBLISH 3 #7, QoS 1 ────╳│",
    "    │        cable mended        │",
    "    │─ PUBLISH 3 #7, QoS 1, DUP ▶│",
  ]);
});

test("without Unicode the same diagram is drawn in ASCII", () => {
  const lines = draw(vanishing).map(toAscii);
  // oxlint-disable-next-line no-control-regex -- ASCII is what this is about
  for (const line of lines) assert.match(line, /^[\x00-\x7f]*$/);
  assert.equal(lines.length, draw(vanishing).length);
});

test("a witness has no lifeline: the broker's events about it are not drawn", () => {
  const clientId = "Machine1-witness";
  const witness = [
    { event: "will-stored", process: "broker", clientId, topic: "t", qos: 1, retain: false },
    { event: "client-disconnected", process: "broker", clientId, cause: "graceful" },
  ];
  assert.equal(draw(witness).length, 1);
});

test("a witness's CONNECT is not drawn as its process' own, nor the broker's later events about it", () => {
  const clientId = "Machine1-witness";
  const lines = draw([
    { event: "connecting", process: "Machine1", broker: "b", clientId },
    { event: "client-disconnected", process: "broker", clientId, cause: "network-error" },
    connecting("Machine1"),
  ]);
  assert.equal(lines.filter(line => line.includes("CONNECT")).length, 1);
});

test("DISCONNECT is drawn once, though both sides have an event", () => {
  const [machine, broker] = [
    { event: "disconnected", process: "Machine1", graceful: true, reason: "" },
    { event: "client-disconnected", process: "broker", clientId: "Machine1", cause: "graceful" },
  ];
  for (const order of [
    [machine, broker],
    [broker, machine],
  ]) {
    const lines = draw([connecting("Machine1"), ...order]);
    assert.equal(lines.filter(line => line.includes("DISCONNECT")).length, 1);
  }
});

test("a claim is judged under its step's diagram, with what came instead", () => {
  const lines = draw([
    { event: "step", number: 1, say: "Watch." },
    {
      event: "expected",
      ...asExpected,
      what: "it holds",
      held: true,
      clause: "[MQTT-3.1.2-8]",
      instead: null,
    },
    connecting("Machine1"),
    {
      event: "expected",
      ...asExpected,
      what: "it fails",
      held: false,
      clause: null,
      instead: "nothing came",
    },
    { event: "result", lesson: "l", passed: false, held: 1, failed: 1, skipped: null, ...noMore },
  ]);
  assert.deepEqual(lines.slice(-7), [
    "    │── CONNECT ────────────────▶│",
    "",
    `  held    it holds${" ".repeat(48)}[MQTT-3.1.2-8]`,
    "  FAILED  it fails",
    "          nothing came",
    "",
    "l FAILED: 1 claim held, 1 did not",
  ]);
});

test("of two processes with one client ID, the connection of the first is lost", () => {
  const lines = draw([
    { ...connecting("Machine1"), clientId: "Twin" },
    { ...connecting("Subscriber1"), clientId: "Twin" },
    { event: "client-disconnected", process: "broker", clientId: "Twin", cause: "taken-over" },
  ]);
  assert.equal(lines.at(-1), "    ╳ taken over: same client ID │                            │");
});

test("a deviation, a time that was measured, and a question with its answer", () => {
  const choices = ["nothing", "everything"];
  const lines = draw([
    { event: "prediction", question: "What comes?", choices },
    {
      event: "expected",
      ...asExpected,
      what: "in time",
      held: true,
      clause: null,
      instead: null,
      seconds: 7.61,
    },
    {
      event: "expected",
      what: "a will comes",
      held: false,
      clause: "[MQTT-3.1.4-2]",
      instead: "none came",
      mandatory: true,
      deviation: true,
      reason: "It sends none.",
      seconds: null,
    },
    {
      event: "revealed",
      question: "What comes?",
      answer: 2,
      choice: "everything",
      because: "it must",
      predicted: null,
    },
    {
      event: "result",
      lesson: "l",
      passed: true,
      held: 1,
      failed: 0,
      skipped: null,
      deviations: 1,
      notObserved: 3,
      next: "queued",
      predictions: 0,
      correctPredictions: 0,
    },
  ]);
  assert.deepEqual(lines.slice(1), [
    "",
    "  ?       What comes?",
    "          1  nothing",
    "          2  everything",
    "",
    "  held    in time (7.6 s)",
    `  differs a will comes${" ".repeat(44)}[MQTT-3.1.4-2]`,
    "          none came",
    "          It sends none.",
    "",
    "  answer  2  everything",
    "          it must",
    "",
    "l passed: 1 claim held, 1 differs here, 3 not observed here",
    "Next: npx lwt-demo queued",
  ]);
});

test("nothing from the network is wider than 80 columns, or reaches the terminal unescaped", () => {
  const hostile = fc.oneof(
    fc.string({ unit: "binary", maxLength: 60 }),
    fc.constantFrom(
      "\u001b[2J",
      "漢字".repeat(40),
      "👩‍👩‍👧‍👦".repeat(20),
      "e\u0301".repeat(90),
      "\u202e",
      "a b ".repeat(40),
      "",
    ),
  );
  const participants = fc
    .integer({ min: 0, max: 12 })
    .map(count => Array.from({ length: count }, (_, i) => ({ name: `Machine${i + 2}`, command: "pub-lwt" })));
  fc.assert(
    fc.property(
      hostile,
      hostile,
      participants,
      fc.integer({ min: 60, max: 120 }),
      (text, other, more, width) => {
        const messages = ["Subscriber1", "Machine2"].map(process => ({
          event: "message",
          process,
          ...received,
          topic: other,
          payload: text,
          seq: null,
        }));
        const lines = draw(
          [
            ...vanishing,
            { event: "step", number: 1, say: text },
            { event: "process", name: "Machine1", pid: 1, command: other },
            { event: "connecting", process: "Subscriber1", broker: text, clientId: other },
            { event: "subscribed", process: "Subscriber1", topicFilter: text, qos: 1, grantedQos: 1 },
            { event: "refused", process: "Subscriber1", returnCode: 5, reason: other },
            { event: "published", process: "Machine1", ...reading, seq: null, payload: text },
            ...messages,
            {
              event: "message-queued",
              process: "broker",
              clientId: other,
              topic: text,
              packetId: 1,
              queued: 1,
            },
            { event: "disconnected", process: "Machine2", graceful: false, reason: text, reasonCode: 0x8e },
            {
              event: "disconnected",
              process: "Subscriber1",
              graceful: false,
              reason: text,
              reasonCode: null,
            },
            { event: "expected", ...asExpected, what: text, held: false, clause: other, instead: text },
            { event: "result", lesson: "l", passed: false, held: 1, failed: 1, skipped: null, ...noMore },
          ],
          { more, width },
        );
        for (const line of lines) {
          assert.ok(stringWidth(line) <= width, `${stringWidth(line)} columns: ${line}`);
          assert.equal(escapeText(line), line);
        }
      },
    ),
    { numRuns: 100 },
  );
});
