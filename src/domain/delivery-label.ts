import type { Delivery } from "../events/events.js";

export interface ReceivedMessage {
  retain: boolean;
  dup: boolean;
  packetId: number | null;
  /** Of the connection's CONNACK. */
  sessionPresent: boolean;
  /** The broker is known to have sent the whole queue: see connection/drain-detector.ts. */
  isDrained: boolean;
  /** The time of the CONNACK; milliseconds since 1970. */
  connectedAt: number;
  /** The reading's `sentDate`; milliseconds since 1970, by the sender's clock. */
  sentAt: number | null;
  /** Otherwise it matches only a filter that the session stored in an earlier run. */
  matchesFilter: boolean;
}

export interface DeliveryLabel {
  delivery: Delivery;
  /** One sentence. */
  evidence: string;
}

/**
 * Labels a message with the evidence. MQTT 3.1.1 marks retained messages (retain flag 1) and redelivered ones (DUP 1),
 * but not queued ones: that label is inferred, and its evidence says so.
 */
export function labelDelivery(message: ReceivedMessage): DeliveryLabel {
  const label = labelByFlags(message);
  const { delivery, evidence } = label;
  return message.matchesFilter
    ? label
    : {
        delivery,
        evidence: `it matches no filter of this run, only one of an earlier run in the session; ${evidence}`,
      };
}

function labelByFlags(message: ReceivedMessage): DeliveryLabel {
  if (message.retain)
    return { delivery: "retained", evidence: "retain flag 1: the broker stores it for new subscriptions" };
  if (message.dup)
    return {
      delivery: "redelivered",
      evidence: `DUP 1: packet ${message.packetId} was sent before and was not acknowledged`,
    };
  if (message.sessionPresent && !message.isDrained)
    return { delivery: "queued", evidence: queuedEvidence(message) };
  return {
    delivery: "live",
    evidence: message.sessionPresent
      ? "retain 0, DUP 0, and the queue was known to be empty"
      : "retain 0, DUP 0, and the session is new: nothing was queued in it",
  };
}

function queuedEvidence({ sentAt, connectedAt }: ReceivedMessage): string {
  const inferred = "inferred: the session was resumed, and its queue not yet known to be empty";
  return sentAt !== null && sentAt < connectedAt
    ? `${inferred}; its own date is before this connection`
    : `${inferred}; it may have been published after this client connected`;
}
