import type { QoS } from "../../events/events.js";
import type { Sender } from "./sender.js";
import { OutboundQueue } from "./outbound-queue.js";

/** A topic filter and the QoS granted; aedes adds fields of MQTT 5, which are kept as they are. */
export interface StoredSubscription {
  topic: string;
  qos: QoS;
}

/** What the broker knows of a client: over all its connections, or with clean session 1 for one of them. */
export class Session {
  readonly queue: OutboundQueue;
  readonly subscriptions = new Map<string, StoredSubscription>();
  /** Packet identifiers of QoS 2 messages that came from the client and await their PUBREL [MQTT-4.3.3-2]. */
  readonly received = new Set<number>();
  /** Whose it is; null: nobody's in particular. */
  user: string | null = null;
  /** True once a CONNACK has told the client that it has this session. */
  established = false;
  /** What stands for it in records on disk; 0 where it is in none. */
  number = 0;
  /** To the client, while it is connected. */
  delivery: Sender | null = null;

  constructor(
    readonly clientId: string,
    /** It outlives its connections: clean session 0. */
    readonly stored: boolean,
    held?: { queuedBytes: number },
  ) {
    this.queue = new OutboundQueue(held);
  }
}
