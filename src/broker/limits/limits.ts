import type { BrokerEvent, LimitName, ReachedLimit } from "../../events/events.js";

const KIB = 1024;
const MIB = 1024 * KIB;
const HOUR = 3600;

interface Limit {
  /** The condition as a text, with % for the maximum. */
  past: string;
  default: number;
  unit: "bytes" | "seconds" | null;
  /** The command-line option that sets it. */
  option: string | null;
  outcome: string;
  /** The event that reports it. Before CONNECT it is `client-refused`. */
  event: Extract<BrokerEvent, { limit: unknown }>["event"];
  because: string;
}

const CLOSED = { outcome: "the connection is closed", event: "client-disconnected" } as const;
const REFUSED = { outcome: "SUBACK 0x80", event: "subscription-refused" } as const;
const UNAVAILABLE = { outcome: "CONNACK 3", event: "client-refused" } as const;
const DROPPED = { outcome: "the session's oldest message is dropped", event: "message-dropped" } as const;

/** The limits of all that a client could otherwise use without bound. The defaults suffice for 10 000 stored sessions. */
export const LIMITS: Record<LimitName, Limit> = {
  "packet-bytes": {
    past: "a packet of over %",
    default: 256 * KIB,
    unit: "bytes",
    option: "max-packet",
    ...CLOSED,
    outcome: "the connection is closed at the packet's first bytes",
    because: "a reading has 250 bytes",
  },
  "unfinished-bytes": {
    past: "over % in unfinished packets",
    default: 128 * MIB,
    unit: "bytes",
    option: null,
    ...CLOSED,
    outcome: "the connection whose packet began first is closed",
    because: "for all connections together: 10 000 connections could have 2.5 GiB in incomplete packets",
  },
  connections: {
    past: "over % connections",
    default: 10_000,
    unit: null,
    option: "max-connections",
    ...UNAVAILABLE,
    outcome: "CONNACK 3, at once",
    because: "a fleet of 10 000",
  },
  "connections-per-address": {
    past: "over % connections from one address",
    default: 2500,
    unit: null,
    option: null,
    ...UNAVAILABLE,
    outcome: "CONNACK 3, at once",
    because:
      "a quarter of --max-connections, because one computer may have two addresses; this computer has no such limit",
  },
  "connect-seconds": {
    past: "no CONNECT within %",
    default: 10,
    unit: "seconds",
    option: null,
    ...CLOSED,
    event: "client-refused",
    because: "clients send CONNECT at once",
  },
  "silent-seconds": {
    past: "no packet for %",
    default: 24 * HOUR,
    unit: "seconds",
    option: null,
    ...CLOSED,
    because: "for every keep alive, 0 too (3.1.2.10); the longest keep alive is 18 hours",
  },
  "client-id-bytes": {
    past: "a client ID of over %",
    default: KIB,
    unit: "bytes",
    option: null,
    ...UNAVAILABLE,
    outcome: "CONNACK 2",
    because: "MQTT requires at least 23",
  },
  "topic-bytes": {
    past: "a topic of over %",
    default: 4 * KIB,
    unit: "bytes",
    option: null,
    ...CLOSED,
    outcome: "the connection is closed; for a filter SUBACK 0x80",
    because: "the course's topics have 30",
  },
  "topic-levels": {
    past: "a topic of over % levels",
    default: 1000,
    unit: null,
    option: null,
    ...CLOSED,
    outcome: "the connection is closed; for a filter SUBACK 0x80",
    because: "matching recurses to that depth",
  },
  subscriptions: {
    past: "over % subscriptions",
    default: 1000,
    unit: null,
    option: null,
    ...REFUSED,
    because: "of one client; one filter covers a class",
  },
  "filter-levels": {
    past: "over % filter levels in all",
    default: 500_000,
    unit: null,
    option: null,
    ...REFUSED,
    because: "of all sessions together; one takes up to 0.6 kB",
  },
  "unreleased-messages": {
    past: "over % at QoS 2 without PUBREL",
    default: 10_000,
    unit: null,
    option: null,
    ...CLOSED,
    because: "of one client; pub-lwt has 20 under way",
  },
  "unreleased-messages-in-all": {
    past: "over % at QoS 2 without PUBREL in all",
    default: 1_000_000,
    unit: null,
    option: null,
    ...CLOSED,
    because: "of all sessions together; one takes 20 bytes",
  },
  "queued-messages": {
    past: "over % queued",
    default: 100_000,
    unit: null,
    option: "max-queued",
    ...DROPPED,
    because: "of one session; a machine's readings of three days",
  },
  "queued-bytes": {
    past: "over % queued",
    default: 100_000 * KIB,
    unit: "bytes",
    option: null,
    ...DROPPED,
    because: "1 KiB for each of --max-queued, and 16 MiB at the least",
  },
  "queued-bytes-in-all": {
    past: "over % queued in all",
    default: 512 * MIB,
    unit: "bytes",
    option: null,
    ...DROPPED,
    outcome: "the longest queue's oldest message is dropped",
    because: "of all sessions together; a million readings",
  },
  "unread-bytes": {
    past: "over % unread",
    default: MIB,
    unit: "bytes",
    option: null,
    ...DROPPED,
    outcome: "a message at QoS 0 is dropped",
    because: "of one client; 4000 readings at once",
  },
  "unread-bytes-in-all": {
    past: "over % unread in all",
    default: 128 * MIB,
    unit: "bytes",
    option: null,
    ...DROPPED,
    outcome: "a message at QoS 0 is dropped for a client with much unread data",
    because: "of all clients together",
  },
  "stored-sessions": {
    past: "over % stored sessions",
    default: 50_000,
    unit: null,
    option: null,
    ...UNAVAILABLE,
    because: "five fleets of 10 000; one takes 1 kB",
  },
  "will-bytes": {
    past: "over % in wills",
    default: 64 * MIB,
    unit: "bytes",
    option: null,
    ...UNAVAILABLE,
    because: "of all connections together; 6 kB for each of 10 000",
  },
  "retained-messages": {
    past: "over % retained messages",
    default: 50_000,
    unit: null,
    option: null,
    ...CLOSED,
    outcome: "the connection is closed; a will is not retained",
    because: "a status and a reading of two fleets of 10 000",
  },
  "retained-bytes": {
    past: "over % retained",
    default: 64 * MIB,
    unit: "bytes",
    option: null,
    ...CLOSED,
    outcome: "the connection is closed; a will is not retained",
    because: "of all topics together; 1.3 kB for each of 50 000",
  },
};

/** The maximum of each limit, in the unit of its name. */
export type Limits = Record<LimitName, number>;

const MIN_QUEUED_BYTES = 16 * MIB;

/** Adds the defaults of the limits that are not given. */
export function limitsFrom(given: Partial<Limits>): Limits {
  const defaults = Object.fromEntries(Object.entries(LIMITS).map(([name, limit]) => [name, limit.default]));
  const limits = { ...(defaults as Limits), ...given };
  const derived = {
    "connections-per-address": Math.ceil(limits.connections / 4),
    "queued-bytes": Math.max(MIN_QUEUED_BYTES, limits["queued-messages"] * KIB),
  };
  return { ...limits, ...derived, ...given };
}

/** Returns a limit as a text: `a packet of over 256 KiB (--max-packet)`. */
export function pastLimit(reached: ReachedLimit): string {
  if (reached.name === "disk") return "there is no room to store it";
  const { past, option, unit } = LIMITS[reached.name];
  const words = past.replace("%", UNITS[unit ?? "none"](reached.max));
  return option ? `${words} (--${option})` : words;
}

const UNITS = {
  none: String,
  bytes: (bytes: number) =>
    bytes >= MIB
      ? `${Math.round(bytes / MIB)} MiB`
      : bytes % KIB === 0
        ? `${bytes / KIB} KiB`
        : `${bytes} bytes`,
  seconds: (seconds: number) => (seconds % HOUR === 0 ? `${seconds / HOUR} h` : `${seconds} s`),
};

/** Ends the connection of a client that exceeds a limit. */
export class LimitError extends Error {
  constructor(
    readonly limit: ReachedLimit,
    options?: ErrorOptions,
  ) {
    super(pastLimit(limit), options);
  }
}

/** UTF-8 bytes for each unit of a string's length. */
const MAX_BYTES_PER_UNIT = 3;

/** Returns the limit that a topic name or filter exceeds, or null. */
export function topicPastLimit(topic: string, limits: Limits): ReachedLimit | null {
  const { "topic-bytes": bytes, "topic-levels": levels } = limits;
  if (topic.length * MAX_BYTES_PER_UNIT <= bytes && topic.length < levels) return null; // almost every topic
  if (Buffer.byteLength(topic) > bytes) return { name: "topic-bytes", max: bytes };
  return levelsOf(topic) > levels ? { name: "topic-levels", max: levels } : null;
}

export function levelsOf(topic: string): number {
  let levels = 1;
  for (let at = topic.indexOf("/"); at >= 0; at = topic.indexOf("/", at + 1)) levels += 1;
  return levels;
}

/** Bytes of memory that a chunk from a socket takes without its content: measured with 100 000 chunks of one byte. */
export const PIECE_OVERHEAD = 640;

/** Milliseconds that a client has to read the rest when its connection ends. */
export const CLOSE_GRACE_MS = 1000;

/**
 * Unacknowledged messages of one client at QoS 1 and 2: enough to use a network fully, and a bound on the packet
 * identifiers of a silent client.
 */
export const MAX_IN_FLIGHT = 1000;
