import type { Delivery } from "../events/events.js";

/** What is known when a PUBLISH arrives. */
export interface ReceivedMessage {
  retain: boolean;
  dup: boolean;
  packetId: number | null;
  /** CONNACK said that the broker had kept the session. */
  sessionPresent: boolean;
  /** The stored queue is known to have been sent in full: see connection/drain-detector.ts for how. */
  drained: boolean;
  /** When this connection was accepted; milliseconds since 1970. */
  connectedAt: number;
  /** The sender's own date, if the payload has one; milliseconds since 1970. */
  sentAt: number | null;
  /** It matches a filter of this run, not only one that the stored session kept. */
  asked: boolean;
}

export interface DeliveryLabel {
  delivery: Delivery;
  /** One plain sentence. */
  evidence: string;
}

/**
 * Live, retained, queued or redelivered, with the reason. MQTT 3.1.1 marks retained messages (retain flag 1) and
 * redelivered ones (DUP 1), but never a queued one: that label is inferred, and its evidence says so.
 */
export function labelDelivery(arrival: ReceivedMessage): DeliveryLabel {
  const { delivery, evidence } = byFlags(arrival);
  return arrival.asked
    ? { delivery, evidence }
    : { delivery, evidence: `it matches no filter of this run, only one that the session kept; ${evidence}` };
}

function byFlags(arrival: ReceivedMessage): DeliveryLabel {
  if (arrival.retain)
    return { delivery: "retained", evidence: "retain flag 1: the broker keeps it for new subscriptions" };
  if (arrival.dup)
    return {
      delivery: "redelivered",
      evidence: `DUP 1: packet ${arrival.packetId} had been sent before and was not acknowledged`,
    };
  if (arrival.sessionPresent && !arrival.drained)
    return { delivery: "queued", evidence: queuedEvidence(arrival) };
  return {
    delivery: "live",
    evidence: arrival.sessionPresent
      ? "retain 0, DUP 0, and the queue was known to be empty"
      : "retain 0, DUP 0, and the session is new: nothing was queued in it",
  };
}

function queuedEvidence({ sentAt, connectedAt }: ReceivedMessage): string {
  const inferred = "inferred: the session was resumed, and its queue not yet known to be empty";
  return sentAt !== null && sentAt < connectedAt
    ? `${inferred}; its own date is before this connection`
    : `${inferred}; it may have been sent after you came back`;
}
