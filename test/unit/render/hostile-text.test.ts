import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import * as fc from "fast-check";
import stringWidth from "string-width";
import type {
  BrokerEvent,
  CheckEvent,
  ClientEvent,
  Delivery,
  Deviation,
  EndCause,
  Event,
  FailCause,
  Granted,
  LessonEvent,
  LimitName,
  MachineState,
  ProcessEvent,
  ProtocolVersion,
  QoS,
  ReceivedSummary,
  SentSummary,
  Timed,
} from "../../../src/events/events.js";
import { LIMITS } from "../../../src/broker/limits/limits.js";
import { pubOptions } from "../../../src/config/options/pub-options.js";
import { subOptions } from "../../../src/config/options/sub-options.js";
import { brokerText } from "../../../src/render/broker-text.js";
import { CheckReport } from "../../../src/render/check-report.js";
import { checkText } from "../../../src/render/check-text.js";
import { toAsciiUnlessUnicode, toAscii } from "../../../src/render/ascii.js";
import { forgottenText } from "../../../src/render/client-text.js";
import {
  truncate,
  justify,
  wrapHard,
  graphemesOf,
  pad,
  plural,
  justifyTruncated,
  wrap,
} from "../../../src/render/text-layout.js";
import { escapeText, jsonLine } from "../../../src/render/escape.js";
import { escapeMarkdown } from "../../../src/render/markdown.js";
import { fleetText } from "../../../src/render/fleet-text.js";
import { sequenceDiagram } from "../../../src/render/sequence-diagram/sequence-diagram.js";
import { lessonListText } from "../../../src/render/lesson-list-text.js";
import { themeFor } from "../../../src/render/theme.js";
import { pubText } from "../../../src/render/pub-text.js";
import type { Rendered, Renderer } from "../../../src/render/renderer.js";
import type { Screen } from "../../../src/render/screen.js";
import { STATUS_PAYLOAD } from "../../../src/domain/machine-status.js";
import { ParsedMessage, parseObject } from "../../../src/domain/sensor-reading.js";
import { payloadText } from "../../../src/render/payload-text.js";
import { settingsText } from "../../../src/render/settings-text.js";
import { statusText } from "../../../src/render/status-text.js";
import { Transcript } from "../../../src/render/transcript.js";
import { formatDiagnostic } from "../../../src/render/diagnostic-text.js";
import { rawText, subText } from "../../../src/render/sub-text.js";
import { tableText } from "../../../src/render/table-text.js";
import { pubSettings } from "../../../src/config/settings/pub-settings.js";
import { merge } from "../../../src/config/settings/merge-sources.js";
import { subSettings } from "../../../src/config/settings/sub-settings.js";
import { command, lwtBroker, type Running } from "../../support/processes.js";
import { RawClient } from "../../support/raw-client.js";
import { plainScreen } from "../../support/screens.js";
import { root } from "../../support/paths.js";

/** Independent of the program's own list on purpose. */
const UNSAFE =
  /[\p{Cc}\p{Cs}\p{Bidi_Control}\u2028\u2029\u200b-\u200d\u2060\ufeff\u00ad\u3164\ufff9-\ufffb\u{e0000}-\u{e01ef}]/u;
const SGR = /\u001b\[[\d;]*m/g;

const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => String.fromCodePoint(from + i));

const SEQUENCES = ["\u001b[2J", "\u001b]0;title\u0007", "\u001b[?1049h", "\u009b31m", "\u001bP", "\r\n"];
const INVISIBLE =
  "\u202e \u2066 \u2069 \u200f \u061c \u200b \u200d \u2060 \ufeff \u00ad \u2028 \u2029 \u3164 \u034f \ufffa \u{e0041} \u{e0101}";
const SEEN = '漢字 ｱ 한 😀 👩‍👩‍👧‍👦 🇩🇪 ❤\ufe0f e\u0301 → \\u001b " %s $& a Z 7 /';
const PIECES = [
  ...range(0x00, 0x1f),
  ...range(0x7f, 0x9f),
  ...SEQUENCES,
  ...INVISIBLE.split(" "),
  "\ud800",
  "\udfff",
  ...SEEN.split(" "),
  " ",
];
const LONG = ["x", "漢", "\u001b[2J", "word ", "e\u0301", "👩‍👩‍👧‍👦", "\u202e", "\ud83d"];

/** As JSON.parse returns them: with Object's prototype. */
const record = <Value>(fields: { [Key in keyof Value]: fc.Arbitrary<Value[Key]> }): fc.Arbitrary<Value> =>
  fc.record<Value>(fields, { noNullPrototype: true });

const pieces = (maxLength: number) => fc.string({ unit: fc.constantFrom(...PIECES), maxLength });
const hostile = fc.oneof(
  pieces(12),
  pieces(120),
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.string({ maxLength: 40 }),
  fc.tuple(fc.constantFrom(...LONG), fc.nat(300)).map(([piece, times]) => piece.repeat(times)),
);
/** The publisher's screen shows a status on one topic. */
const STATUS_TOPIC = "Binil/\u001b[2J漢字\u202e/Status";
const topic = fc.oneof(hostile, fc.constant(STATUS_TOPIC));
/** Few, so that processes and client identifiers match. */
const name = fc.constantFrom(
  "Machine1",
  "broker",
  "\u001b[2J",
  "漢字".repeat(30),
  "Subscriber1",
  "",
  "\u202e x",
);
const participant = record({
  name,
  command: fc.constantFrom("pub-lwt", "sub-lwt", "lwt-broker", "\u001b[2J"),
});

const reading = fc
  .tuple(fc.double(), hostile)
  .map(([Temperature, Status]) => JSON.stringify({ Temperature, Pressure: 1, Humidity: 1e300, Status }));
const payload = fc.oneof(hostile, reading, fc.constant("Sensor Stopped"), fc.constant(""));
const orNull = <Value>(value: fc.Arbitrary<Value>) => fc.option(value);
const number = fc.nat();
const flag = fc.boolean();
const qos = fc.constantFrom<QoS>(0, 1, 2);
const packetId = orNull(fc.integer({ min: 1, max: 3 }));
const delivery = fc.constantFrom<Delivery>("live", "retained", "queued", "redelivered");
const state = fc.constantFrom<MachineState>("online", "offline", "stopped");
const failCause = fc.constantFrom<FailCause>(
  "network",
  "keep-alive",
  "no-disconnect",
  "protocol-error",
  "disconnect-with-will",
  "crash",
  "graceful",
);
const endCause = fc.constantFrom<EndCause>(
  "graceful",
  "connection-closed",
  "network-error",
  "keep-alive-timeout",
  "protocol-error",
  "taken-over",
  "limit",
  "not-authorized",
  "broker-stopped",
);

/** `parsed` is no field of a JSON line: `asReceived` adds it. */
type Fields<E> = { [Field in Exclude<keyof E, "event" | "parsed">]: fc.Arbitrary<E[Field]> };
/** The fields of every event. The compiler reports a missing one. */
type Shapes<E extends Event> = { [Name in E["event"]]: Fields<Extract<E, { event: Name }>> };

const trouble = { code: hostile, message: hostile, hint: hostile };
const limit = fc.oneof(
  record({ name: fc.constantFrom(...(Object.keys(LIMITS) as LimitName[])), max: fc.nat() }),
  fc.constant({ name: "disk", max: null } as const),
);
const will = record({ topic, payload, qos, retain: flag });
const queue = { clientId: name, topic, packetId, queued: number };
const ofClient = { clientId: name, topic, cause: endCause, clause: hostile };
const received = record<ReceivedSummary>({
  machine: orNull(hostile),
  received: number,
  live: number,
  retained: number,
  queued: number,
  redelivered: number,
  duplicate: number,
  missing: number,
  outOfOrder: number,
  notAcknowledged: number,
  runs: number,
  firstSeq: orNull(number),
  lastSeq: orNull(number),
});
const sent = record<SentSummary>({
  machine: hostile,
  sent: number,
  acknowledged: number,
  notAcknowledged: number,
  fromOutbox: orNull(number),
  inOutbox: orNull(number),
});

const clientShapes = (summaries: fc.Arbitrary<ReceivedSummary[] | SentSummary[]>): Shapes<ClientEvent> => ({
  connecting: { broker: hostile, clientId: name },
  connected: {
    broker: hostile,
    clientId: hostile,
    cleanSession: flag,
    sessionPresent: flag,
    keepAlive: number,
    protocolVersion: fc.constantFrom<ProtocolVersion>("3.1.1", "5"),
    will: orNull(will),
    willDelay: orNull(number),
    granted: orNull(
      record<Granted>({
        sessionExpiry: number,
        receiveMaximum: number,
        maximumQos: qos,
        retainAvailable: flag,
        maximumPacketSize: orNull(number),
        assignedClientId: orNull(hostile),
        keepAlive: orNull(number),
      }),
    ),
  },
  fleet: {
    machines: number,
    connected: number,
    sent: number,
    acknowledged: number,
    failed: number,
    unreported: number,
    perSecond: number,
    p50: orNull(number),
    p99: orNull(number),
  },
  "wills-witnessed": {
    cause: failCause,
    machines: number,
    wills: number,
    p50: orNull(number),
    p99: orNull(number),
    last: orNull(number),
  },
  refused: { returnCode: number, reason: hostile },
  reconnecting: {
    attempt: fc.integer({ min: 1, max: 2 }),
    inSeconds: number,
    secondsLeft: number,
    reason: hostile,
  },
  disconnected: { graceful: flag, reason: hostile, reasonCode: orNull(number) },
  subscribed: { topicFilter: topic, qos, grantedQos: qos },
  published: {
    topic,
    payload,
    qos,
    retain: flag,
    dup: flag,
    packetId,
    run: orNull(hostile),
    seq: orNull(number),
  },
  acknowledged: { packetId, topic, run: orNull(hostile), seq: orNull(number), milliseconds: number },
  message: {
    topic,
    payload: orNull(payload),
    payloadBase64: orNull(hostile),
    qos,
    retain: flag,
    dup: flag,
    packetId,
    delivery,
    evidence: hostile,
    machine: orNull(hostile),
    run: orNull(hostile),
    seq: orNull(number),
  },
  status: { machine: orNull(hostile), state, topic, payload, delivery },
  "outbox-stored": { topic, payload, qos, run: orNull(hostile), seq: orNull(number) },
  "outbox-opened": { folder: hostile, messages: number },
  failing: { cause: failCause, keepAliveDeadline: orNull(hostile) },
  witnessed: { cause: failCause, will: flag, milliseconds: number },
  forgotten: { broker: hostile, clientId: hostile, cleared: fc.array(topic, { maxLength: 3 }) },
  settings: {
    settings: fc.array(record({ name: hostile, value: orNull(hostile), from: hostile }), { maxLength: 4 }),
  },
  warning: trouble,
  summary: { machines: summaries },
  error: trouble,
  packet: { direction: fc.constantFrom<"sent" | "received">("sent", "received"), description: hostile },
});

const some = <One>(one: fc.Arbitrary<One>) => fc.array(one, { maxLength: 3 });

const brokerShapes: Shapes<BrokerEvent> = {
  listening: {
    url: hostile,
    urls: fc.array(hostile, { minLength: 1, maxLength: 3 }),
    pid: number,
    data: orNull(hostile),
    sync: orNull(fc.constantFrom<"disk" | "write">("disk", "write")),
  },
  "store-opened": { folder: hostile, sessions: number, messages: number, retained: number, wills: number },
  "client-connected": {
    clientId: name,
    address: hostile,
    cleanSession: flag,
    sessionPresent: flag,
    keepAlive: number,
    protocolVersion: hostile,
    user: orNull(hostile),
  },
  "users-read": { file: hostile, users: number, anonymous: flag },
  "not-authorized": {
    clientId: name,
    user: orNull(hostile),
    action: fc.constantFrom<"publish" | "subscribe">("publish", "subscribe"),
    topic,
  },
  "password-set": { file: hostile, user: hostile, added: flag },
  "client-refused": { clientId: orNull(hostile), address: hostile, reason: hostile, limit: orNull(limit) },
  "will-stored": { clientId: name, topic, qos, retain: flag },
  "will-published": ofClient,
  "will-discarded": ofClient,
  "client-disconnected": { clientId: name, cause: endCause, limit: orNull(limit) },
  "subscription-refused": { clientId: name, topicFilter: topic, limit },
  subscribed: { clientId: hostile, topicFilter: topic, qos },
  unsubscribed: { clientId: hostile, topicFilter: topic, qos: orNull(qos) },
  "session-stored": { clientId: hostile, queued: number },
  "session-resumed": { clientId: hostile, queued: number },
  "session-ended": { clientId: hostile, queued: number },
  "message-queued": queue,
  "message-delivered": queue,
  "message-acknowledged": queue,
  "message-dropped": { ...queue, limit: orNull(limit) },
  "message-retained": { topic },
  "will-not-retained": { clientId: name, topic, limit },
  "retained-cleared": { topic },
  "events-omitted": { count: number },
  packet: {
    clientId: orNull(hostile),
    address: hostile,
    direction: fc.constantFrom<"sent" | "received">("sent", "received"),
    description: hostile,
  },
  "broker-status": {
    clients: some(record({ clientId: hostile, address: hostile, cleanSession: flag, keepAlive: number })),
    sessions: some(
      record({
        clientId: hostile,
        connected: flag,
        subscriptions: number,
        queued: number,
        inFlight: number,
      }),
    ),
    wills: some(record({ clientId: hostile, topic, qos, retain: flag })),
    retained: some(record({ topic, qos, bytes: number })),
    totals: record({ clients: number, sessions: number, wills: number, retained: number }),
  },
  warning: trouble,
  error: trouble,
};

const skipped = fc.constantFrom<Extract<LessonEvent, { event: "result" }>["skipped"]>(
  "interrupted",
  "needs-own-broker",
  "needs-plain-tcp",
  "needs-broker-list",
  "needs-mqtt5",
  null,
);
const lessonShapes: Shapes<LessonEvent> = {
  lesson: {
    name: hostile,
    title: hostile,
    claims: fc.array(hostile, { maxLength: 3 }),
    participants: fc.array(participant, { maxLength: 8 }),
  },
  step: { number, say: hostile },
  process: { name: hostile, pid: number, command: hostile },
  link: { process: name, state: fc.constantFrom<"cut" | "mended">("cut", "mended") },
  observed: { what: hostile, held: flag, clause: orNull(hostile) },
  expected: {
    what: hostile,
    held: flag,
    clause: orNull(hostile),
    instead: orNull(hostile),
    mandatory: flag,
    deviation: flag,
    reason: orNull(hostile),
    seconds: orNull(number),
  },
  prediction: { question: hostile, choices: some(hostile) },
  revealed: {
    question: hostile,
    answer: number,
    choice: hostile,
    because: hostile,
    predicted: orNull(number),
  },
  waiting: { for: fc.constantFrom<"step" | "prediction" | null>("step", "prediction", null), again: flag },
  result: {
    lesson: hostile,
    passed: flag,
    held: number,
    failed: number,
    skipped,
    deviations: number,
    notObserved: number,
    next: orNull(hostile),
    predictions: number,
    correctPredictions: number,
  },
  warning: trouble,
  error: trouble,
};

const product = orNull(record({ name: hostile, version: hostile }));
const checkShapes: Shapes<CheckEvent> = {
  checking: { broker: hostile, product, lessons: some(name), knownDeviations: number },
  lesson: lessonShapes.lesson,
  checked: {
    lesson: hostile,
    claims: some(hostile),
    outcome: fc.constantFrom<"held" | "deviates" | "skipped">("held", "deviates", "skipped"),
    held: number,
    notObserved: number,
    clauses: some(hostile),
    deviations: some(
      record<Deviation>({
        what: hostile,
        clause: orNull(hostile),
        mandatory: flag,
        instead: orNull(hostile),
        reason: orNull(hostile),
      }),
    ),
    skipped,
    seconds: number,
  },
  check: {
    broker: hostile,
    product,
    passed: flag,
    held: number,
    deviates: number,
    skipped: number,
    broken: number,
    knownBroken: number,
    unexpectedlyHeld: some(record({ lesson: hostile, what: hostile })),
    interrupted: flag,
    seconds: number,
  },
  reachable: {
    broker: hostile,
    reachable: flag,
    milliseconds: orNull(number),
    reason: orNull(hostile),
  },
  connectivity: { host: hostile, reachable: number, unreachable: number, options: orNull(hostile) },
  warning: trouble,
  error: trouble,
};

const time = "2026-03-01T14:03:05.000Z";

/** Any of these events; `more` fields for each. */
function anyOf<E extends Event>(shapes: Shapes<E>, more: Record<string, fc.Arbitrary<unknown>> = {}) {
  const events = Object.entries<Record<string, fc.Arbitrary<unknown>>>(shapes).map(([event, fields]) =>
    record({ time: fc.constant(time), event: fc.constant(event), ...fields, ...more }),
  );
  return fc.oneof(...events) as unknown as fc.Arbitrary<Timed<E>>;
}

const pubEvent = anyOf(clientShapes(fc.array(sent, { maxLength: 3 })));
const subEvent = anyOf(clientShapes(fc.array(received, { maxLength: 3 })));
/** With the parsed payload that the receiver adds. */
const asReceived = subEvent.map((event): Timed<ClientEvent> => {
  if (event.event !== "message") return event;
  const state = event.payload === STATUS_PAYLOAD.stopped ? "stopped" : null;
  return { ...event, parsed: new ParsedMessage(parseObject(event.payload ?? ""), state, true) };
});
const brokerEvent = anyOf(brokerShapes);
const lessonEvent = anyOf(lessonShapes);
const ofProcess = { process: name };
const processEvent = fc.oneof(
  anyOf(clientShapes(fc.constant([])), ofProcess),
  anyOf(brokerShapes, ofProcess),
);
const lessonStart = anyOf<LessonEvent>(lessonShapes).filter(({ event }) => event === "lesson");

const notThere = () => assert.fail("nothing of this computer is needed");
const computer = { readFile: notThere, ownSuffix: notThere };
const defaults = {
  pub: pubSettings(merge(pubOptions, []), computer),
  sub: subSettings(merge(subOptions, []), computer),
};

const pubSetting = record({
  readingsTopic: topic,
  will: orNull(will),
  interval: number,
  fail: orNull(record({ cause: failCause, after: orNull(number) })),
  mode: fc.constantFrom<"publish" | "forget">("publish", "forget"),
  qos,
});

type Given = { render: (screen: Screen) => Renderer<never>; events: Timed[] };
const events = <E extends Timed>(event: fc.Arbitrary<E>) => fc.array<Timed>(event, { maxLength: 12 });

const screens: Record<string, fc.Arbitrary<Given>> = {
  "pub-lwt": fc.tuple(events(pubEvent), pubSetting).map(([given, { will, ...more }]) => {
    const { connection } = defaults.pub;
    const settings = {
      ...defaults.pub,
      ...more,
      statusTopic: STATUS_TOPIC,
      connection: { ...connection, will },
    };
    return { render: screen => pubText(settings, screen), events: given };
  }),
  "sub-lwt": fc.tuple(events(asReceived), fc.array(topic, { maxLength: 4 })).map(([given, filters]) => ({
    render: screen => subText({ ...defaults.sub, filters }, screen),
    events: given,
  })),
  "pub-lwt --machines": fc.tuple(events(pubEvent), name).map(([given, machine]) => ({
    render: screen => fleetText({ ...defaults.pub, machine, machines: 3 }, screen),
    events: given,
  })),
  "sub-lwt --raw": events(subEvent).map(given => ({ render: rawText, events: given })),
  "sub-lwt --table": events(subEvent).map(given => ({
    render: screen => tableText(defaults.sub, screen, true).render,
    events: given,
  })),
  "lwt-broker": events(brokerEvent).map(given => ({ render: brokerText, events: given })),
  "lwt-demo": fc
    .tuple(lessonStart, events(fc.oneof(processEvent, processEvent, lessonEvent)))
    .map(([first, given]) => ({ render: sequenceDiagram, events: [first, ...given] })),
  "lwt-demo check": events(anyOf(checkShapes)).map(given => ({ render: checkText, events: given })),
  "lwt-demo list": events(lessonEvent).map(given => ({ render: lessonListText, events: given })),
};

const textsOf = ({ out, err }: Rendered): string[] => [out, err].filter(text => text !== undefined);
/** Spaces at the end of a line are invisible. */
const trimmed = (text: string) => text.replaceAll(/ +$/gm, "");
/** The output truncates a status line to the window. */
const liveTextsOf = ({ live }: Rendered): string[] => (live ? [7, 0].map(left => live.text(left)) : []);

/** In diagnostics a word that is wider than the screen stays whole, to be copied. */
const mayStandOut = ({ event }: Timed, line: string) =>
  (event === "error" || event === "warning") && !line.trim().includes(" ");

const colourful = await themeFor(true);
for (const [name, given] of Object.entries(screens))
  test(`${name}: whatever comes from the network, nothing but text in the columns of the screen`, () => {
    fc.assert(
      fc.property(given, fc.integer({ min: 60, max: 120 }), ({ render, events }, width) => {
        const screen: Screen = { ...plainScreen, width, isErrTerminal: true };
        const plain = render(screen) as Renderer;
        const colours = { out: colourful, err: colourful };
        const coloured = render({ ...screen, ...colours }) as Renderer;
        for (const event of events) {
          const rendered = plain(event) ?? {};
          for (const live of liveTextsOf(rendered)) assert.doesNotMatch(live, UNSAFE);
          const texts = textsOf(rendered);
          assert.deepEqual(
            textsOf(coloured(event) ?? {}).map(text => trimmed(text.replaceAll(SGR, ""))),
            texts.map(trimmed),
          );
          for (const line of texts.flatMap(text => text.split("\n"))) {
            assert.doesNotMatch(line, UNSAFE, event.event);
            const columns = stringWidth(line);
            assert.ok(
              columns <= width || mayStandOut(event, line),
              `${event.event}: ${columns} of ${width}: ${line}`,
            );
          }
        }
      }),
      { numRuns: 100, includeErrorInReport: true },
    );
  });

test("sub-lwt --table: in a window of any size, nothing but text in its columns and rows", () => {
  const size = record({ columns: fc.integer({ min: 20, max: 200 }), rows: fc.integer({ min: 1, max: 60 }) });
  fc.assert(
    fc.property(fc.array(subEvent, { maxLength: 60 }), size, (events, size) => {
      const colours = { ...plainScreen, out: colourful, err: colourful };
      const plain = tableText(defaults.sub, plainScreen, true);
      const coloured = tableText(defaults.sub, colours, true);
      for (const event of events) for (const { render } of [plain, coloured]) render(event);
      const lines = plain.frame(size) ?? [];
      const withColours = coloured.frame(size) ?? [];
      assert.deepEqual(
        withColours.map(line => trimmed(line.replaceAll(SGR, ""))),
        lines.map(trimmed),
      );
      assert.ok(lines.length <= size.rows);
      for (const line of lines) {
        assert.doesNotMatch(line, UNSAFE);
        assert.ok(stringWidth(line) <= size.columns, `${size.columns}: ${line}`);
      }
    }),
    { numRuns: 300, includeErrorInReport: true },
  );
});

test("transcript: nothing but text, and no Markdown or HTML of others", () => {
  const given = fc.tuple(lessonStart, events(fc.oneof(processEvent, processEvent, lessonEvent)));
  fc.assert(
    fc.property(given, ([first, more]) => {
      const transcript = new Transcript("1.0");
      for (const event of [first, ...more]) transcript.add(event as Timed<LessonEvent | ProcessEvent>);
      const lines = transcript.text().split("\n");
      let fence: string | null = null;
      for (const line of lines) {
        assert.doesNotMatch(line, UNSAFE);
        if (fence === null) assert.doesNotMatch(line.replaceAll(/\\./gu, ""), /[<[\]]/, line);
        if (/^`{3,}$/.test(line)) fence = fence === null ? line : line === fence ? null : fence;
      }
      assert.equal(fence, null, "every block is closed");
    }),
    { numRuns: 100 },
  );
});

test("report of a check: nothing but text, and no HTML of others", () => {
  fc.assert(
    fc.property(events(anyOf(checkShapes)), given => {
      const report = new CheckReport();
      for (const event of given) report.add(event as Timed<CheckEvent>);
      for (const line of report.text().split("\n")) {
        assert.doesNotMatch(line, UNSAFE);
        assert.doesNotMatch(line.replaceAll(/\\./gu, ""), /[<[\]]/, line);
      }
    }),
    { numRuns: 100 },
  );
});

/** Functions that take untrusted text. */
const direct: Record<string, (text: string) => string> = {
  escapeText,
  escapeMarkdown,
  jsonLine: text => jsonLine({ text, [text]: [text] }),
  payloadText: text => payloadText(text, null, 60) + payloadText(null, text, 60),
  settingsText: text => settingsText([{ name: text, value: text, from: text }], 80),
  statusText: text =>
    statusText(
      {
        clients: [{ clientId: text, address: text, cleanSession: true, keepAlive: 1 }],
        sessions: [{ clientId: text, connected: true, subscriptions: 1, queued: 1, inFlight: 1 }],
        wills: [{ clientId: text, topic: text, qos: 1, retain: true }],
        retained: [{ topic: text, qos: 1, bytes: 1 }],
        totals: { clients: 2, sessions: 2, wills: 2, retained: 2 },
      },
      80,
    ),
  formatDiagnostic: text => formatDiagnostic("sub-lwt", "bad", text, text, plainScreen),
  forgottenText: text =>
    forgottenText({ broker: text, clientId: text, cleared: [text] }, { protocolVersion: "5" }, plainScreen),
};

/** Functions that take escaped text, and add no control characters. */
const ofSafeText: Record<string, (text: string) => string> = {
  truncate: text => truncate(text, 20),
  pad: text => pad(text, 20),
  plural: text => plural(2, text),
  justifyTruncated: text => justifyTruncated(text, text, 20),
  justify: text => justify(text, text, 20),
  wrap: text => wrap(text, 20),
  wrapHard: text => wrapHard(text, 20),
  graphemesOf: text => [...graphemesOf(text)].join(""),
  toAscii,
  toAsciiUnlessUnicode: text => toAsciiUnlessUnicode(text, { hasUnicode: false }),
};

test("each function that is given hostile text by itself", () => {
  fc.assert(
    fc.property(hostile, text => {
      const safe = escapeText(text);
      const made = [
        ...Object.entries(direct).map(([name, make]) => [name, make(text)] as const),
        ...Object.entries(ofSafeText).map(([name, make]) => [name, make(safe)] as const),
      ];
      for (const [name, texts] of made)
        for (const line of texts.split("\n")) assert.doesNotMatch(line, UNSAFE, name);
    }),
    { numRuns: 300 },
  );
});

/** The screens that test the other exports of src/render. */
const through: Record<string, string> = {
  brokerText: "lwt-broker",
  renderBy: "pub-lwt",
  sharedText: "pub-lwt",
  heading: "pub-lwt",
  reconnectText: "pub-lwt",
  limitsText: "pub-lwt",
  sessionText: "pub-lwt",
  pubText: "pub-lwt",
  fleetText: "pub-lwt --machines",
  subText: "sub-lwt",
  rawText: "sub-lwt --raw",
  sequenceDiagram: "lwt-demo",
  DiagramRows: "lwt-demo",
  Row: "lwt-demo",
  elementsOf: "lwt-demo",
  brokerOf: "lwt-demo",
  lessonListText: "lwt-demo list",
  checkText: "lwt-demo check",
  inTeachingOrder: "lwt-demo check",
  remarksText: "lwt-demo check",
  verdictText: "lwt-demo check",
  skipReasonText: "lwt-demo check",
  skippedText: "lwt-demo",
  subjectText: "lwt-demo check",
  tableText: "sub-lwt --table",
  machineTable: "sub-lwt --table",
  elapsed: "no text of others",
  Transcript: "transcript",
  CheckReport: "report",
  localTime: "no text of others",
  displayWidth: "no text of others",
  helpText: "no text of others",
  themeFor: "no text of others",
  unstyled: "no text of others",
  lifelineColumns: "no text of others",
  errWrapWidth: "no text of others",
  clampWidth: "no text of others",
};

test("every function that src/render exports is tested with hostile text", async () => {
  const folder = path.join(root, "src", "render");
  const modules = await Promise.all(
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter(file => file.endsWith(".ts"))
      .map(file => import(`../../../src/render/${file}`) as Promise<object>),
  );
  const exported = modules.flatMap(module =>
    Object.entries(module).flatMap(([name, value]) => (typeof value === "function" ? [name] : [])),
  );
  const tested = [...Object.keys(direct), ...Object.keys(ofSafeText), ...Object.keys(through)];
  assert.deepEqual(exported.toSorted(), tested.toSorted());
  for (const screen of Object.values(through))
    assert.ok(screen in screens || ["transcript", "report", "no text of others"].includes(screen), screen);
});

test("wrapped text has lines of the width, and keeps every character", () => {
  const wide = fc.string({ unit: fc.constantFrom("漢", "字", "a", "é", "😀", " ") });
  fc.assert(
    fc.property(wide, fc.integer({ min: 4, max: 12 }), (text, width) => {
      const lines = wrapHard(text, width, "").split("\n");
      for (const line of lines) assert.ok(stringWidth(line) <= width, line);
      assert.equal(lines.join("").replaceAll(" ", ""), text.replaceAll(" ", ""));
    }),
  );
});

test("a JSON line is one line of plain text, and is read back as what was written", () => {
  const any = fc.oneof(pubEvent, subEvent, brokerEvent, lessonEvent, processEvent);
  fc.assert(
    fc.property(any, event => {
      const line = jsonLine(event);
      assert.doesNotMatch(line, UNSAFE);
      assert.deepEqual(JSON.parse(line), event);
    }),
    { numRuns: 1000 },
  );
});

test("with --raw a payload's bytes are its own", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), bytes => {
      const render = rawText(plainScreen);
      const base64 = Buffer.from(bytes).toString("base64");
      const event = { time, event: "message", payload: null, payloadBase64: base64 } as Timed<ClientEvent>;
      assert.deepEqual(render(event)?.bytes, Buffer.from(bytes));
    }),
  );
});

/** Valid in MQTT: no U+0000 in topics, and no lone surrogates. */
const HOSTILE = [
  "\u001b[2J\u001b[31m",
  "\u009b31m\r\n\t\u0007",
  "\u202eevil\u2066\u200b",
  "\u{e0041}\u2028漢字😀",
];

const outputs = ({ stdout, stderr }: Running) => stdout + stderr;
const lines = (text: string) => text.split("\n");

test("hostile client IDs, topics and payloads reach no terminal, no JSON line and no --debug line raw", async t => {
  const { port, process: broker } = await lwtBroker(t);
  const ways = [
    [],
    ["--debug"],
    ["--json"],
    ["--json", "--debug"],
    ["--debug", "--client-id", "\u001b[2J\u202e"],
  ];
  const subscribers = ways.map((args, i) =>
    command(t, "sub-lwt", ["-p", String(port), "-i", `S${i}`, "-t", "#", ...args], { json: false }),
  );
  for (const subscriber of subscribers) await subscriber.outputHas(/session|"subscribed"/);
  await broker.waitFor("all subscribed", () => broker.all("subscribed").length >= ways.length || undefined);
  for (const [i, text] of HOSTILE.entries()) {
    const client = await RawClient.connect(t, port, {
      clientId: `${text}${i}`,
      clean: false,
      will: { topic: `will/${text}`, payload: text, qos: 1, retain: true },
    });
    await client.subscribe(`${text}/+`, 1);
    await client.publish(`${text}/${i}`, `${text} payload ${i}`, 1);
    client.socket.destroy();
  }
  await RawClient.connect(t, port, { clientId: "last" }).then(last =>
    last.publish("last", "the last one", 1),
  );
  for (const subscriber of subscribers) await subscriber.outputHas(/the last one|"last"/);
  for (const process of [broker, ...subscribers])
    for (const line of lines(outputs(process))) assert.doesNotMatch(line, UNSAFE);
});
