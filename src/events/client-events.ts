import type { ProtocolVersion, QoS } from "../protocol/types.js";
import type { EventsOf, SharedEvent } from "./shared-events.js";

/** Events of pub-lwt, sub-lwt and `connect`. */
export type ClientEvent = EventsOf<ClientEvents> | SharedEvent;

interface ClientEvents {
  connecting: { broker: string; clientId: string };
  connected: {
    broker: string;
    clientId: string;
    cleanSession: boolean;
    sessionPresent: boolean;
    /** Seconds. With MQTT 5 the broker may have set another value than the client asked for. */
    keepAlive: number;
    protocolVersion: ProtocolVersion;
    will: Will | null;
    /** With MQTT 5, seconds that the client asks the broker to wait before it publishes the will; otherwise null. */
    willDelay: number | null;
    /** With MQTT 5; otherwise null. */
    granted: Granted | null;
  };
  /** `returnCode`: with MQTT 5 the reason code, 0x80 or more. */
  refused: { returnCode: number; reason: string };
  /** `secondsLeft`: how long the client goes on trying, from now. */
  reconnecting: { attempt: number; inSeconds: number; secondsLeft: number; reason: string };
  /** `reasonCode`: of the broker's DISCONNECT, which only MQTT 5 has; null without one. */
  disconnected: { graceful: boolean; reason: string; reasonCode: number | null };
  subscribed: { topicFilter: string; qos: QoS; grantedQos: QoS };
  published: {
    topic: string;
    payload: string;
    qos: QoS;
    retain: boolean;
    /** An earlier process may have sent it already. */
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
    /** Text; null if the payload is not UTF-8, which `payloadBase64` then has. */
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
    /** Stays out of JSON lines, so an event that was read from one has none. */
    parsed?: ParsedPayload;
  };
  status: {
    machine: string | null;
    state: MachineState;
    topic: string;
    payload: string;
    delivery: Delivery;
  };
  /** With --outbox: the message is stored there while no connection can send it. `published` follows with one. */
  "outbox-stored": { topic: string; payload: string; qos: QoS; run: string | null; seq: number | null };
  /** With --outbox: how many messages of earlier runs the folder holds. They are sent first. */
  "outbox-opened": { folder: string; messages: number };
  /** With --machines, every second. */
  fleet: {
    machines: number;
    connected: number;
    /** Readings since the start. */
    sent: number;
    acknowledged: number;
    /** Machines that have given up. */
    failed: number;
    /** Warnings and errors that were only counted. */
    unreported: number;
    /** Readings acknowledged, or at QoS 0 sent, in the last second. */
    perSecond: number;
    /** Milliseconds to an acknowledgment, by percentile; null without one. */
    p50: number | null;
    p99: number | null;
  };
  failing: {
    cause: FailCause;
    /** ISO 8601: the end of 1.5 × keep alive; null for every cause but `keep-alive`. */
    keepAliveDeadline: string | null;
  };
  witnessed: {
    cause: FailCause;
    /** The will was received. */
    will: boolean;
    /** From `failing` to the will, to the marker, or to giving up. */
    milliseconds: number;
  };
  /** With --machines. */
  "wills-witnessed": {
    cause: FailCause;
    machines: number;
    wills: number;
    /** Milliseconds from `failing` to a will, by percentile, and to the last; null without a will. */
    p50: number | null;
    p99: number | null;
    last: number | null;
  };
  /** The stored session has ended on that broker, and the retained messages on these topics are cleared. */
  forgotten: { broker: string; clientId: string; cleared: string[] };
  /** With --show-settings. */
  settings: { settings: DescribedSetting[] };
  summary: { machines: ReceivedSummary[] | SentSummary[] };
  /** With --debug: a packet on the wire, described without its password. */
  packet: { direction: "sent" | "received"; description: string };
}

/** A last will as CONNECT carries it (MQTT 3.1.1, 3.1.2.5). */
export interface Will {
  topic: string;
  payload: string;
  qos: QoS;
  retain: boolean;
}

/** The limits in an MQTT 5 broker's CONNACK (MQTT 5, 3.2.2.3), or the standard's defaults. */
export interface Granted {
  /** Seconds that the session outlives its connection; 0: not at all, 4 294 967 295: for ever. */
  sessionExpiry: number;
  /** Messages at QoS 1 and 2 that may be sent without an acknowledgment; 1 to 65 535. */
  receiveMaximum: number;
  /** The highest QoS that the broker accepts. */
  maximumQos: QoS;
  retainAvailable: boolean;
  /** Bytes of a packet to the broker; null: no limit. */
  maximumPacketSize: number | null;
  /** The client identifier, if the broker chose it. */
  assignedClientId: string | null;
  /** Seconds, if the broker set them; null: the client's value holds. */
  keepAlive: number | null;
}

/** A message as the receiver parsed and matched it, once for all that handle the event. */
export interface ParsedPayload {
  /** The payload as a JSON object; null if it is anything else. */
  readonly fields: Readonly<Record<string, unknown>> | null;
  /** The state of the `status` event that follows the message; null without one. */
  readonly state: MachineState | null;
  /** The topic matches a filter of this run, not only one that the session has stored. */
  readonly matchesFilter: boolean;
  toJSON(): undefined;
}

/** See domain/delivery-label.ts for the rule and its evidence. */
export type Delivery = "live" | "retained" | "queued" | "redelivered";

/** By the payload of a status: "Sensor Online", "Sensor Offline", "Sensor Stopped". */
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
  /** With --hold-acks, at QoS 1 and 2: the broker sends these again on the next connection. */
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
  /** With --outbox: how many of the sent messages an earlier run had stored there. */
  fromOutbox: number | null;
  /** With --outbox: how many messages it holds now, sent or not. */
  inOutbox: number | null;
}

export interface DescribedSetting {
  /** The option's name. */
  name: string;
  /** null: not set. */
  value: string | null;
  /** `--qos`, `PUB_LWT_QOS`, `PUB_LWT_QOS in .env` or `default`. */
  from: string;
}
