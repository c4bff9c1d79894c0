/**
 * The vocabulary: every event that a command, the connection helper, the broker or a lesson can emit.
 * Fields that have no value are null, never absent, so that a reader of JSON lines finds them all.
 * Imports nothing.
 */

export type QoS = 0 | 1 | 2;

/** A lesson that kills its broker is not run on another one. */
export const NOT_ITS_BROKER = "skipped, as its broker has to be its own";
/** A lesson that cuts a cable is not run over TLS: the relay that is the cable has another host's name. */
export const NO_CABLE = "skipped, as it can't cut a cable on the way to a broker over TLS";

/** A lesson about a failover is not run where there is nowhere to go. */
export const NO_OTHER_BROKER = "skipped, as it needs brokers that share sessions: --broker a,b,c";

/** A lesson about MQTT 5 is not run on a broker that doesn't speak it, such as lwt-broker. */
export const NO_MQTT_5 = "skipped, as its broker does not speak MQTT 5";

/** What the clients speak; MQTT 5 only where it is asked for. */
export type ProtocolVersion = "3.1.1" | "5";

/** What a broker that speaks MQTT 5 grants in CONNACK (MQTT 5, 3.2.2.3): where it says nothing, the standard's value. */
export interface Granted {
  /** Seconds for which it keeps the session without a connection; 0: not at all, 4 294 967 295: for ever. */
  sessionExpiry: number;
  /** Messages at QoS 1 and 2 that may be sent to it without being acknowledged; 1 to 65 535. */
  receiveMaximum: number;
  /** Of what is published to it. */
  maximumQos: QoS;
  retainAvailable: boolean;
  /** Bytes of a packet to it; null: no limit. */
  maximumPacketSize: number | null;
  /** The client identifier, where it has chosen that. */
  assignedClientId: string | null;
  /** Seconds, where it has set them; null: what was asked for holds. */
  keepAlive: number | null;
}

/** A last will as CONNECT carries it (MQTT 3.1.1, 3.1.2.5). */
export interface Will {
  topic: string;
  payload: string;
  qos: QoS;
  retain: boolean;
}

/** How a message came: see domain/delivery-label.ts for the rule and its evidence. */
export type Delivery = "live" | "retained" | "queued" | "redelivered";

/** What a machine's status topic says: "Sensor Online", "Sensor Offline", "Sensor Stopped". */
export type MachineState = "online" | "offline" | "stopped";

/** How `pub-lwt --fail` ends a connection. */
export type FailCause =
  | "network"
  | "keep-alive"
  | "no-disconnect"
  | "protocol-error"
  | "disconnect-with-will"
  | "crash"
  | "graceful";

/** Why a connection ended, as the broker saw it. */
export type EndCause =
  | "graceful"
  | "connection-closed"
  | "network-error"
  | "keep-alive-timeout"
  | "protocol-error"
  | "taken-over"
  | "limit"
  | "not-authorized"
  | "broker-stopped";

/** What the broker allows only so much of: the table in broker/limits/limits.ts says how much, and what happens past it. */
export type LimitName =
  | "packet-bytes"
  | "unfinished-bytes"
  | "connections"
  | "connections-per-address"
  | "connect-seconds"
  | "silent-seconds"
  | "client-id-bytes"
  | "topic-bytes"
  | "topic-levels"
  | "subscriptions"
  | "filter-levels"
  | "unreleased-messages"
  | "unreleased-messages-in-all"
  | "queued-messages"
  | "queued-bytes"
  | "queued-bytes-in-all"
  | "unread-bytes"
  | "unread-bytes-in-all"
  | "stored-sessions"
  | "will-bytes"
  | "retained-messages"
  | "retained-bytes";

/** A limit that somebody went past, and how much there may be, in the unit of its name. */
export type ReachedLimit =
  | { name: LimitName; most: number }
  /** With --data: there is no room. */
  | { name: "disk"; most: null };

export interface ReceivedSummary {
  machine: string | null;
  received: number;
  live: number;
  retained: number;
  queued: number;
  redelivered: number;
  duplicate: number;
  missing: number;
  outOfOrder: number;
  /** With --hold-acks, of those at QoS 1 and 2: the broker sends them again on the next connection. */
  notAcknowledged: number;
  runs: number;
  firstSeq: number | null;
  lastSeq: number | null;
}

export interface SentSummary {
  machine: string;
  sent: number;
  acknowledged: number;
  notAcknowledged: number;
  /** With --outbox: how many of those sent an earlier run had left there. */
  fromOutbox: number | null;
  /** With --outbox: how many wait there now, sent or not. */
  kept: number | null;
}

export interface DescribedSetting {
  /** The option's name. */
  name: string;
  /** null: it is not set. */
  value: string | null;
  /** `--qos`, `PUB_LWT_QOS`, `PUB_LWT_QOS in .env` or `default`. */
  from: string;
}

interface ClientEvents {
  connecting: { broker: string; clientId: string };
  connected: {
    broker: string;
    clientId: string;
    cleanSession: boolean;
    sessionPresent: boolean;
    /** Seconds; with MQTT 5 the broker may have set another one than was asked for. */
    keepAlive: number;
    protocolVersion: ProtocolVersion;
    will: Will | null;
    /** With MQTT 5, seconds that the broker is asked to wait before it sends the will; else null. */
    willDelay: number | null;
    /** With MQTT 5; else null. */
    granted: Granted | null;
  };
  /** `returnCode`: with MQTT 5 the reason code, 0x80 or more. */
  refused: { returnCode: number; reason: string };
  /** `secondsLeft`: how long it will go on trying, from now. */
  reconnecting: { attempt: number; inSeconds: number; secondsLeft: number; reason: string };
  /** `reasonCode`: of the broker's DISCONNECT, which is part of MQTT 5; null: none came. */
  disconnected: { graceful: boolean; reason: string; reasonCode: number | null };
  subscribed: { topicFilter: string; qos: QoS; grantedQos: QoS };
  published: {
    topic: string;
    payload: string;
    qos: QoS;
    retain: boolean;
    /** A process before this one may have sent it already. */
    dup: boolean;
    packetId: number | null;
    run: string | null;
    seq: number | null;
  };
  acknowledged: {
    packetId: number | null;
    topic: string;
    run: string | null;
    seq: number | null;
    milliseconds: number;
  };
  message: {
    topic: string;
    /** Text, or null when the payload is not UTF-8: then `payloadBase64` has it. */
    payload: string | null;
    payloadBase64: string | null;
    qos: QoS;
    retain: boolean;
    dup: boolean;
    packetId: number | null;
    delivery: Delivery;
    evidence: string;
    machine: string | null;
    run: string | null;
    seq: number | null;
  };
  status: {
    machine: string | null;
    state: MachineState;
    topic: string;
    payload: string;
    delivery: Delivery;
  };
  /** With --outbox: it is safe there, while there is no connection to send it in. `published` comes when there is. */
  kept: { topic: string; payload: string; qos: QoS; run: string | null; seq: number | null };
  /** With --outbox: how many messages an earlier run has left in that folder. They are sent first. */
  "outbox-opened": { folder: string; messages: number };
  /** With --machines, every second: how many are connected now, of all that were asked for, and what came of them. */
  fleet: {
    machines: number;
    connected: number;
    /** Readings, since the start. */
    sent: number;
    acknowledged: number;
    /** Machines that have given up. */
    failed: number;
    /** Warnings and errors that were only counted. */
    untold: number;
    /** Readings acknowledged, at QoS 0 sent, in the last second. */
    perSecond: number;
    /** Milliseconds within which half of the acknowledgments came, and 99 of 100; null: none has come. */
    p50: number | null;
    p99: number | null;
  };
  failing: {
    cause: FailCause;
    /** ISO 8601: when 1.5 × keep alive has passed; null for every other cause. */
    keepAliveDeadline: string | null;
  };
  witnessed: {
    cause: FailCause;
    /** true: the will came; false: it did not. */
    will: boolean;
    /** From `failing` to the will, to the marker, or to giving up. */
    milliseconds: number;
  };
  /** With --machines: what was seen of the wills that were due; milliseconds from `failing`, null where none came. */
  "wills-witnessed": {
    cause: FailCause;
    due: number;
    came: number;
    /** Within this time came half of them, 99 of 100, and the last. */
    p50: number | null;
    p99: number | null;
    last: number | null;
  };
  /** That broker, by any of its URLs, has ended the stored session, and cleared what is retained on these topics. */
  forgotten: { broker: string; clientId: string; cleared: string[] };
  /** With --show-settings. */
  settings: { settings: DescribedSetting[] };
  warning: { code: string; message: string; hint: string };
  summary: { machines: ReceivedSummary[] | SentSummary[] };
  error: { code: string; message: string; hint: string };
  /** With --debug only: a packet on the wire, described without its password. */
  packet: { direction: "sent" | "received"; description: string };
}

/** What a broker holds; of each kind so many at the most, and how many there are. */
export interface BrokerStatus {
  clients: { clientId: string; address: string; cleanSession: boolean; keepAlive: number }[];
  sessions: {
    clientId: string;
    connected: boolean;
    subscriptions: number;
    queued: number;
    inFlight: number;
  }[];
  wills: { clientId: string; topic: string; qos: QoS; retain: boolean }[];
  retained: { topic: string; qos: QoS; bytes: number }[];
  totals: { clients: number; sessions: number; wills: number; retained: number };
}

interface BrokerEvents {
  /**
   * `urls`: all that it listens on, `url` the first of them. `data`: the folder where all is kept, with what is
   * acknowledged surviving what `sync` says; null: in memory.
   */
  listening: { url: string; urls: string[]; pid: number; data: string | null; sync: "disk" | "write" | null };
  /** What an earlier broker has left there; `messages` are owed to the sessions. */
  "store-opened": { folder: string; sessions: number; messages: number; retained: number; wills: number };
  "client-connected": {
    clientId: string;
    address: string;
    cleanSession: boolean;
    sessionPresent: boolean;
    keepAlive: number;
    protocolVersion: string;
    /** Who has logged in, with --users; null: nobody in particular. */
    user: string | null;
  };
  /** The file of --users has been read, at the start or since it has changed: so many users, and whether others may come. */
  "users-read": { file: string; users: number; anonymous: boolean };
  /** A user has no right to that topic, or to all of that filter. Who publishes is disconnected then. */
  "not-authorized": { clientId: string; user: string | null; action: "publish" | "subscribe"; topic: string };
  /** `limit`: null where it is refused for something else. */
  "client-refused": {
    clientId: string | null;
    address: string;
    reason: string;
    limit: ReachedLimit | null;
  };
  "will-stored": { clientId: string; topic: string; qos: QoS; retain: boolean };
  "will-published": { clientId: string; topic: string; cause: EndCause; clause: string };
  "will-discarded": { clientId: string; topic: string; cause: EndCause; clause: string };
  /** `limit`: with cause `limit`, which one; else null. */
  "client-disconnected": { clientId: string; cause: EndCause; limit: ReachedLimit | null };
  /** SUBACK has 0x80 for that filter [MQTT-3.9.3-2]. */
  "subscription-refused": { clientId: string; topicFilter: string; limit: ReachedLimit };
  unsubscribed: { clientId: string; topicFilter: string; qos: QoS | null };
  "session-stored": { clientId: string; queued: number };
  "session-resumed": { clientId: string; queued: number };
  "session-ended": { clientId: string; queued: number };
  "message-queued": QueueEvent;
  "message-delivered": QueueEvent;
  "message-acknowledged": QueueEvent;
  /** `limit`: null where it is not the client's to receive any more. */
  "message-dropped": QueueEvent & { limit: ReachedLimit | null };
  "message-retained": { topic: string };
  /** A will was published, and is not retained as it says: who left it can't be told any more. */
  "will-not-retained": { clientId: string; topic: string; limit: ReachedLimit };
  "retained-cleared": { topic: string };
  /** With `lwt-broker passwd`; `added`: the user was not in the file before. */
  "password-set": { file: string; user: string; added: boolean };
  /** With `lwt-broker status`: what a running broker holds. */
  "broker-status": BrokerStatus;
  /** So many of the events that come with each message, or with whoever knocks, were left out in the last second. */
  "events-omitted": { count: number };
}

interface QueueEvent {
  clientId: string;
  topic: string;
  packetId: number | null;
  queued: number;
}

/** The broker's `subscribed` tells whose it is; a client's tells what was granted. */
interface BrokerSubscribed {
  clientId: string;
  topicFilter: string;
  qos: QoS;
}

/** With --debug only; `sent` is by the broker. Null before CONNECT has told the client identifier. */
interface BrokerPacket {
  clientId: string | null;
  address: string;
  direction: "sent" | "received";
  description: string;
}

interface LessonEvents {
  lesson: { name: string; title: string; claims: string[]; participants: Participant[] };
  step: { number: number; say: string };
  process: { name: string; pid: number; command: string };
  /**
   * Between that process and the broker nothing passes any more, or again; or the one broker of several that it is
   * connected to has failed it, and takes no more of its connections.
   */
  cable: { process: string; state: "cut" | "failed" | "mended" };
  /** Something waited for that claims nothing by itself. */
  observed: { what: string; held: boolean; clause: string | null };
  /** A claim; `instead` says what came where it did not hold. */
  expected: {
    what: string;
    held: boolean;
    clause: string | null;
    instead: string | null;
    /** False: the standard leaves it open. */
    mandatory: boolean;
    /** It did not hold, but the standard leaves it open, or this broker is known not to keep to it: nothing has failed. */
    deviation: boolean;
    /** Why this broker is known for it; null: it is not. */
    reason: string | null;
    /** Since the event that it was measured from; null: nothing was measured. */
    seconds: number | null;
  };
  /** A question to be answered before what follows; counted from 1. */
  prediction: { question: string; choices: string[] };
  /** The answer to the last one, when the step is over. */
  revealed: {
    question: string;
    answer: number;
    choice: string;
    because: string;
    /** What the audience predicted, with --quiz; null: nothing. */
    guess: number | null;
  };
  /** With --step and --quiz: a key is waited for, or no more; `again`: the last step is to be shown again. */
  waiting: { for: "step" | "prediction" | null; again: boolean };
  result: {
    lesson: string;
    passed: boolean;
    held: number;
    failed: number;
    /** Why it is not the whole of the lesson, or nothing of it. */
    skipped: Skipped | null;
    /** Claims that did not hold without anything having failed. */
    deviations: number;
    /** Claims that only the bundled broker can tell of, on another one; that a missing Python, or QoS 2, would have shown. */
    notObserved: number;
    /** The lesson that comes after this one, if it is one of the built-in. */
    next: string | null;
    /** With --quiz: predictions made, and how many of them were right. */
    guessed: number;
    right: number;
  };
}

/** What `lwt-demo check` finds. */
interface CheckEvents {
  /** What will be checked: a broker by its URL, or `lwt-broker` for a bundled one for each lesson. */
  checking: {
    broker: string;
    /** What that is, where it says so or was told; null: nobody knows, so that no deviation of it is known. */
    product: Product | null;
    lessons: string[];
    /** So many claims it is known not to keep. */
    knownDeviations: number;
  };
  /** A lesson is over. */
  checked: {
    lesson: string;
    claims: string[];
    outcome: "held" | "deviates" | "skipped";
    /** Claims that held. */
    held: number;
    /** Those that could not be observed here. */
    notObserved: number;
    /** What the claims cite that held, each once. */
    clauses: string[];
    deviations: Deviation[];
    /** Why nothing of it, or not all, was checked; null: it was. */
    skipped: Skipped | null;
    seconds: number;
  };
  /** The verdict, last: counts of lessons, and of claims that MQTT makes mandatory and that did not hold. */
  check: {
    broker: string;
    product: Product | null;
    /** Nothing mandatory was seen broken, and it was not left. */
    passed: boolean;
    held: number;
    deviates: number;
    skipped: number;
    broken: number;
    /** How many of those are known of this broker. */
    brokenAsKnown: number;
    /** What this broker is known not to keep, and kept. */
    keptAfterAll: { lesson: string; what: string }[];
    interrupted: boolean;
    seconds: number;
  };
  /** With --connectivity: one way to the broker. */
  reachable: {
    broker: string;
    /** A broker answered there, be it with a refusal. */
    reachable: boolean;
    /** Until that answer; null: none came. */
    milliseconds: number | null;
    /** Why not, or what the broker refuses; null: it accepts. */
    reason: string | null;
  };
  /** With --connectivity, last. `options` are for the clients; null: no way led to the broker. */
  connectivity: { host: string; reachable: number; unreachable: number; options: string | null };
}

/** A broker program, as `mosquitto` and `2.0.11`. */
export interface Product {
  name: string;
  version: string;
}

/** A claim that did not hold. */
export interface Deviation {
  /** The claim; or a step that had to succeed for the others. */
  what: string;
  /** What demands it. */
  clause: string | null;
  /** False: the standard leaves it open. */
  mandatory: boolean;
  /** What came in its place. */
  instead: string | null;
  /** Why this broker is known for it; null: it is not. */
  reason: string | null;
}

type Skipped =
  | "interrupted"
  | typeof NOT_ITS_BROKER
  | typeof NO_CABLE
  | typeof NO_OTHER_BROKER
  | typeof NO_MQTT_5;

/** A process of a lesson, by the name that the lesson gives it. */
export interface Participant {
  name: string;
  command: string;
}

type Named<Events> = { [Name in keyof Events]: { event: Name } & Events[Name] }[keyof Events];

/** What the clients (pub-lwt, sub-lwt, `connect`) emit. */
export type ClientEvent = Named<ClientEvents>;
/** What lwt-broker and `startBroker` emit. */
export type BrokerEvent =
  | Named<BrokerEvents>
  | ({ event: "subscribed" } & BrokerSubscribed)
  | ({ event: "packet" } & BrokerPacket)
  | SharedEvent;
/** What lwt-demo and `runLesson` emit of their own. */
export type LessonEvent = Named<LessonEvents> | SharedEvent;
/** What `lwt-demo check` emits: of each lesson its beginning, and what came of it. */
export type CheckEvent = Named<CheckEvents> | Extract<LessonEvent, { event: "lesson" }> | SharedEvent;
type SharedEvent = Extract<ClientEvent, { event: "warning" | "error" }>;
export type Event = ClientEvent | BrokerEvent | LessonEvent | CheckEvent;
/** What a process of a lesson said, with that process's name; or what became of its cable. */
export type ProcessEvent =
  | (Timed<ClientEvent | BrokerEvent> & { process: string })
  | Timed<Extract<LessonEvent, { event: "cable" }>>;

/** An event with the moment it happened, as JSON lines carry it. */
export type Timed<E extends Event = Event> = { time: string } & E;

/**
 * Takes events in order. When it returns a promise, the emitter stops reading from its socket until that is kept:
 * a slow terminal slows the sender and never fills the heap.
 */
export type Sink<E extends Event = Event> = (event: E) => void | Promise<void>;

/** Of --debug, --show-settings, `lwt-broker status` or `passwd`, which a lesson's processes run without. */
type Unseen = "packet" | "settings" | "broker-status" | "password-set";

/** What a lesson can expect. Listed because a misspelt one would just never come; the compiler keeps it complete. */
const EXPECTABLE: Record<Exclude<(ClientEvent | BrokerEvent)["event"], Unseen>, true> = {
  connecting: true,
  connected: true,
  refused: true,
  reconnecting: true,
  disconnected: true,
  subscribed: true,
  unsubscribed: true,
  published: true,
  acknowledged: true,
  message: true,
  status: true,
  failing: true,
  witnessed: true,
  fleet: true,
  "wills-witnessed": true,
  kept: true,
  "outbox-opened": true,
  forgotten: true,
  warning: true,
  summary: true,
  error: true,
  listening: true,
  "store-opened": true,
  "users-read": true,
  "not-authorized": true,
  "client-connected": true,
  "client-refused": true,
  "client-disconnected": true,
  "subscription-refused": true,
  "will-stored": true,
  "will-published": true,
  "will-discarded": true,
  "session-stored": true,
  "session-resumed": true,
  "session-ended": true,
  "message-queued": true,
  "message-delivered": true,
  "message-acknowledged": true,
  "message-dropped": true,
  "message-retained": true,
  "will-not-retained": true,
  "retained-cleared": true,
  "events-omitted": true,
};

/** The names of the events that a lesson can expect. */
export const EVENT_NAMES = Object.keys(EXPECTABLE);
