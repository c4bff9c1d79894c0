import type { QoS } from "../events/events.js";

/** A message that a client has published, or a will. */
export interface ApplicationMessage {
  readonly topic: string;
  readonly payload: Buffer | string;
  readonly qos: QoS;
  readonly retain: boolean;
}

/** Returns the message of a packet, to be stored without the packet's other fields. */
export const messageOf = ({ topic, payload, qos, retain }: ApplicationMessage): ApplicationMessage => ({
  topic,
  payload: ownBytes(payload),
  qos,
  retain,
});

/** Copies a small payload: as a slice it would hold a whole chunk of the socket in memory. */
const ownBytes = (payload: Buffer | string) =>
  typeof payload !== "string" && payload.buffer.byteLength > 4 * payload.length
    ? Buffer.from(payload)
    : payload;
