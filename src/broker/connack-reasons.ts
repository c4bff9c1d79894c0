import type { ConnectPacket } from "aedes";
import type { ReachedLimit } from "../events/events.js";
import { isSysTopic } from "../protocol/topics.js";
import { pastLimit } from "./limits/limits.js";

/** CONNACK return codes of MQTT 3.1.1, 3.2.2.3, in words. */
const RETURN_CODES: Record<number, string> = {
  1: "unacceptable protocol version",
  2: "client identifier rejected",
  3: "server unavailable",
  4: "bad user name or password",
  5: "not authorized",
};

/** Why CONNACK refused that CONNECT. @param why what the broker alone knows of it */
export function refusalReason(
  returnCode: number,
  connect: ConnectPacket,
  limit: ReachedLimit | null,
  why: string | null,
): string {
  if (limit) return `return code ${returnCode}: ${pastLimit(limit)}`;
  // Short, so that it fits into a line of the log.
  if (connect.protocolVersion === 5) return `code ${returnCode}, MQTT 5: use 3.1.1, or Mosquitto`;
  const words = `return code ${returnCode}, ${RETURN_CODES[returnCode] ?? "refused"}`;
  if (why !== null) return `${words}: ${why}`;
  if (returnCode === 2 && connect.protocolVersion === 3)
    return `${words}: MQTT 3.1 wants one of 1 to 23 characters`;
  if (connect.clientId === "") return `${words}: an empty identifier needs clean session 1 [MQTT-3.1.3-8]`;
  return words;
}

/** Words for what a client sent before it was connected. */
export function notMqttReason(error: NodeJS.ErrnoException, limit: ReachedLimit | null): string {
  if (limit) return pastLimit(limit);
  return (error.code?.startsWith("ERR_SSL_") && tlsFault(error)) || `no valid CONNECT: ${error.message}`;
}

/** By what OpenSSL calls it. */
const TLS_FAULTS: [code: RegExp, fault: string][] = [
  [/WRONG_VERSION_NUMBER|HTTP_REQUEST/, "no TLS, which this port wants"],
  [/UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW/, "its TLS is older than 1.2"],
  [/ALERT_(UNKNOWN_CA|CERTIFICATE|BAD_CERTIFICATE)/, "it does not trust the certificate of --tls-cert"],
];

/** Why TLS came to nothing; null where the network is the reason. */
export function tlsFault({ code = "", message, syscall }: NodeJS.ErrnoException): string | null {
  if (syscall !== undefined || code === "ECONNRESET") return null;
  return TLS_FAULTS.find(([name]) => name.test(code))?.[1] ?? `no TLS: ${code || message}`;
}

/** What is wrong with a will's topic, found while the client can still be told; aedes would find out too late. */
export function willTopicFault(topic: string): string | null {
  if (topic === "") return "the will's topic is empty [MQTT-4.7.3-1]";
  if (/[+#]/.test(topic)) return "the will's topic has a wildcard [MQTT-3.3.2-2]";
  if (isSysTopic(topic)) return "the will's topic is the broker's own ($SYS)";
  return null;
}
