import type { QoS } from "../../events/events.js";
import type { ApplicationMessage } from "../message.js";
import { OutboundQueue } from "./outbound-queue.js";

/** A topic filter and the QoS granted. */
export interface StoredSubscription {
  topic: string;
  qos: QoS;
}

/** The way from a session to its connected client. */
export interface SessionSender {
  /** Sends the queued messages that may be sent now. */
  pump(): void;
  /** Sends a message at QoS 0 now, or drops it. */
  sendOnce(message: ApplicationMessage, retain: boolean): void;
}

/** The session state of MQTT 3.1.1, 3.1.2.4; with clean session 1 it ends with its connection. */
export class Session {
  readonly queue: OutboundQueue;
  readonly subscriptions = new Map<string, StoredSubscription>();
  /** Packet identifiers of the client's QoS 2 messages that await PUBREL [MQTT-4.3.3-2]. */
  readonly inboundQos2 = new Set<number>();
  /** The owner; null for an anonymous one. */
  user: string | null = null;
  /** True once CONNACK has reported this session to its client. */
  isEstablished = false;
  /** Identifies the session in records on disk; 0 without records. */
  recordNumber = 0;
  /** Null while the client is not connected. */
  sender: SessionSender | null = null;

  constructor(
    readonly clientId: string,
    /** True with clean session 0: the session outlives its connections. */
    readonly isStored: boolean,
    usage?: { queuedBytes: number },
  ) {
    this.queue = new OutboundQueue(usage);
  }
}
