import type { QoS } from "../protocol/types.js";
import type { EventsOf, SharedEvent } from "./shared-events.js";

/** Events of lwt-broker and `startBroker`. */
export type BrokerEvent = EventsOf<BrokerEvents> | SharedEvent;

interface BrokerEvents {
  /** `urls`: all listeners, `url` the first. `data` and `sync`: as --data and --sync say; null: in memory. */
  listening: { url: string; urls: string[]; pid: number; data: string | null; sync: "disk" | "write" | null };
  /** With --data: the contents of the store at the start. `messages` are queued for the sessions. */
  "store-opened": { folder: string; sessions: number; messages: number; retained: number; wills: number };
  "client-connected": {
    clientId: string;
    address: string;
    cleanSession: boolean;
    sessionPresent: boolean;
    keepAlive: number;
    protocolVersion: string;
    /** With --users; null: anonymous. */
    user: string | null;
  };
  /** The file of --users was read, at the start or after a change. `anonymous`: clients without a user may connect. */
  "users-read": { file: string; users: number; anonymous: boolean };
  /** A user has no right to that topic, or to all of that filter. A publisher is then disconnected. */
  "not-authorized": { clientId: string; user: string | null; action: "publish" | "subscribe"; topic: string };
  /** `limit`: null if the reason is another. */
  "client-refused": {
    clientId: string | null;
    address: string;
    reason: string;
    limit: ReachedLimit | null;
  };
  "will-stored": { clientId: string; topic: string; qos: QoS; retain: boolean };
  "will-published": { clientId: string; topic: string; cause: EndCause; clause: string };
  "will-discarded": { clientId: string; topic: string; cause: EndCause; clause: string };
  /** `limit`: with cause `limit`; otherwise null. */
  "client-disconnected": { clientId: string; cause: EndCause; limit: ReachedLimit | null };
  subscribed: { clientId: string; topicFilter: string; qos: QoS };
  /** SUBACK has 0x80 for that filter [MQTT-3.9.3-2]. */
  "subscription-refused": { clientId: string; topicFilter: string; limit: ReachedLimit };
  unsubscribed: { clientId: string; topicFilter: string; qos: QoS | null };
  "session-stored": { clientId: string; queued: number };
  "session-resumed": { clientId: string; queued: number };
  "session-ended": { clientId: string; queued: number };
  "message-queued": QueueEvent;
  "message-delivered": QueueEvent;
  "message-acknowledged": QueueEvent;
  /** `limit`: null if the client is no longer authorized to receive it. */
  "message-dropped": QueueEvent & { limit: ReachedLimit | null };
  "message-retained": { topic: string };
  /** A will was published, but not retained as it asks: its client can no longer be informed. */
  "will-not-retained": { clientId: string; topic: string; limit: ReachedLimit };
  "retained-cleared": { topic: string };
  /** With `lwt-broker passwd`; `added`: the user was not in the file before. */
  "password-set": { file: string; user: string; added: boolean };
  /** With `lwt-broker status`. */
  "broker-status": BrokerStatus;
  /** How many frequent events were left out in the last second. */
  "events-omitted": { count: number };
  /** With --debug; `sent` is by the broker. `clientId`: null before CONNECT. */
  packet: {
    clientId: string | null;
    address: string;
    direction: "sent" | "received";
    description: string;
  };
}

interface QueueEvent {
  clientId: string;
  topic: string;
  packetId: number | null;
  queued: number;
}

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

/** The limits of the table in broker/limits/limits.ts. */
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

/** A limit that was exceeded, and its value in the unit of its name. */
export type ReachedLimit =
  | { name: LimitName; max: number }
  /** With --data: the disk is full. */
  | { name: "disk"; max: null };

/** The contents of a running broker. Each list is limited in length; `totals` has the real counts. */
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
