import type { QueuedMessage } from "./outbound-queue.js";

/** PUBREL is not among them: it is for what the client sent. */
export type Acknowledgment = "puback" | "pubrec" | "pubcomp";

/** What each says of a message that the broker sent, and whether that may be. */
const FITS: Record<Acknowledgment, (owed: QueuedMessage) => boolean> = {
  puback: ({ qos }) => qos === 1,
  pubrec: ({ qos }) => qos === 2,
  pubcomp: ({ qos, released }) => qos === 2 && released,
};

export const isAcknowledgment = (cmd: string): cmd is Acknowledgment => Object.hasOwn(FITS, cmd);

const CLAUSES = { 1: "[MQTT-4.3.2-1]", 2: "[MQTT-4.3.3-1]" } as const;

/** What is wrong with that acknowledgment; of a message that is not owed, nothing: it may have come twice. */
export function acknowledgmentFault(
  acknowledgment: Acknowledgment,
  owed: QueuedMessage | undefined,
): string | null {
  if (!owed || FITS[acknowledgment](owed)) return null;
  const when = acknowledgment === "pubcomp" && owed.qos === 2 ? " before its PUBREC" : "";
  return `${acknowledgment.toUpperCase()} for a message at QoS ${owed.qos}${when} ${CLAUSES[owed.qos]}`;
}
