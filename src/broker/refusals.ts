import type { ConnectPacket } from "aedes";
import type { ReachedLimit } from "../events.js";
import { pastLimit } from "./limits.js";

/** CONNACK return codes of MQTT 3.1.1, 3.2.2.3, in words. */
const RETURN_CODES: Record<number, string> = {
  1: "unacceptable protocol version",
  2: "client identifier rejected",
  3: "server unavailable",
  4: "bad user name or password",
  5: "not authorized",
};

/** Why CONNACK refused that CONNECT. */
export function refusalReason(
  returnCode: number,
  connect: ConnectPacket,
  limit: ReachedLimit | null = null,
): string {
  if (limit) return `return code ${returnCode}: ${pastLimit(limit)}`;
  // Short, so that it fits into a line of the log.
  if (connect.protocolVersion === 5) return `code ${returnCode}, MQTT 5: use 3.1.1, or Mosquitto`;
  const words = `return code ${returnCode}, ${RETURN_CODES[returnCode] ?? "refused"}`;
  if (returnCode === 2 && connect.protocolVersion === 3)
    return `${words}: MQTT 3.1 wants one of 1 to 23 characters`;
  if (connect.clientId === "") return `${words}: an empty identifier needs clean session 1 [MQTT-3.1.3-8]`;
  return words;
}

/** Words for what a client sent before it was connected. */
export const notMqttReason = (error: Error, limit: ReachedLimit | null): string =>
  limit ? pastLimit(limit) : `no valid CONNECT: ${error.message}`;

/** What is wrong with a will's topic, found while the client can still be told; aedes would find out too late. */
export function willTopicFault(topic: string): string | null {
  if (topic === "") return "the will's topic is empty [MQTT-4.7.3-1]";
  if (/[+#]/.test(topic)) return "the will's topic has a wildcard [MQTT-3.3.2-2]";
  if (topic.startsWith("$SYS/")) return "the will's topic is the broker's own ($SYS)";
  return null;
}
