import * as fc from "fast-check";
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
  ProtocolVersion,
  QoS,
  ReceivedSummary,
  SentSummary,
  Timed,
} from "../../src/events/events.js";
import { LIMITS } from "../../src/broker/limits/limits.js";
import { STATUS_PAYLOAD } from "../../src/domain/machine-status.js";
import { ParsedMessage, parseObject } from "../../src/domain/sensor-reading.js";

/** Independent of the program's own list on purpose. */
export const UNSAFE =
  /[\p{Cc}\p{Cs}\p{Bidi_Control}\u2028\u2029\u200b-\u200d\u2060\ufeff\u00ad\u3164\ufff9-\ufffb\u{e0000}-\u{e01ef}]/u;

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

/** Returns records as JSON.parse does: with Object's prototype. */
export const record = <Value>(
  fields: { [Key in keyof Value]: fc.Arbitrary<Value[Key]> },
): fc.Arbitrary<Value> => fc.record<Value>(fields, { noNullPrototype: true });

const pieces = (maxLength: number) => fc.string({ unit: fc.constantFrom(...PIECES), maxLength });

export const hostile = fc.oneof(
  pieces(12),
  pieces(120),
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.string({ maxLength: 40 }),
  fc.tuple(fc.constantFrom(...LONG), fc.nat(300)).map(([piece, times]) => piece.repeat(times)),
);

/** The publisher's screen shows a status on one topic. */
export const STATUS_TOPIC = "Binil/\u001b[2J漢字\u202e/Status";

export const topic = fc.oneof(hostile, fc.constant(STATUS_TOPIC));

/** Few, so that processes and client identifiers match. */
export const name = fc.constantFrom(
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

export const orNull = <Value>(value: fc.Arbitrary<Value>) => fc.option(value);

export const number = fc.nat();

const flag = fc.boolean();

export const qos = fc.constantFrom<QoS>(0, 1, 2);

const packetId = orNull(fc.integer({ min: 1, max: 3 }));

const delivery = fc.constantFrom<Delivery>("live", "retained", "queued", "redelivered");

const state = fc.constantFrom<MachineState>("online", "offline", "stopped");

export const failCause = fc.constantFrom<FailCause>(
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

export const will = record({ topic, payload, qos, retain: flag });

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
  claim: { claim: hostile, sentence: hostile },
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

export const checkShapes: Shapes<CheckEvent> = {
  checking: { broker: hostile, product, lessons: some(name), knownDeviations: number },
  lesson: lessonShapes.lesson,
  claim: lessonShapes.claim,
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

export const time = "2026-03-01T14:03:05.000Z";

/** Any of these events; `more` fields for each. */
export function anyOf<E extends Event>(shapes: Shapes<E>, more: Record<string, fc.Arbitrary<unknown>> = {}) {
  const events = Object.entries<Record<string, fc.Arbitrary<unknown>>>(shapes).map(([event, fields]) =>
    record({ time: fc.constant(time), event: fc.constant(event), ...fields, ...more }),
  );
  return fc.oneof(...events) as unknown as fc.Arbitrary<Timed<E>>;
}

export const pubEvent = anyOf(clientShapes(fc.array(sent, { maxLength: 3 })));

export const subEvent = anyOf(clientShapes(fc.array(received, { maxLength: 3 })));

/** With the parsed payload that the receiver adds. */
export const asReceived = subEvent.map((event): Timed<ClientEvent> => {
  if (event.event !== "message") return event;
  const state = event.payload === STATUS_PAYLOAD.stopped ? "stopped" : null;
  return { ...event, parsed: new ParsedMessage(parseObject(event.payload ?? ""), state, true) };
});

export const brokerEvent = anyOf(brokerShapes);

export const lessonEvent = anyOf(lessonShapes);

const ofProcess = { process: name };

export const processEvent = fc.oneof(
  anyOf(clientShapes(fc.constant([])), ofProcess),
  anyOf(brokerShapes, ofProcess),
);

export const lessonStart = anyOf<LessonEvent>(lessonShapes).filter(({ event }) => event === "lesson");
