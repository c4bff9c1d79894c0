import type { QueuedMessage } from "./outbound-queue.js";

/** The acknowledgments of the broker's messages. PUBREL acknowledges none: the client sends it for its own message. */
export type Acknowledgment = "puback" | "pubrec" | "pubcomp";

const IS_EXPECTED: Record<Acknowledgment, (message: QueuedMessage) => boolean> = {
  puback: ({ qos }) => qos === 1,
  pubrec: ({ qos }) => qos === 2,
  pubcomp: ({ qos, isReleased }) => qos === 2 && isReleased,
};

export const isAcknowledgment = (cmd: string): cmd is Acknowledgment => Object.hasOwn(IS_EXPECTED, cmd);

const CLAUSES = { 1: "[MQTT-4.3.2-1]", 2: "[MQTT-4.3.3-1]" } as const;

/** Returns why that acknowledgment is wrong, or null. One of an unknown message is right: it may be a repeated one. */
export function acknowledgmentFault(
  acknowledgment: Acknowledgment,
  message: QueuedMessage | undefined,
): string | null {
  if (!message || IS_EXPECTED[acknowledgment](message)) return null;
  const when = acknowledgment === "pubcomp" && message.qos === 2 ? " before its PUBREC" : "";
  return `${acknowledgment.toUpperCase()} for a message at QoS ${message.qos}${when} ${CLAUSES[message.qos]}`;
}
