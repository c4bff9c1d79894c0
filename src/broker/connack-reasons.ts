import type { ReachedLimit } from "../events/events.js";
import { returnCodes } from "../protocol/return-codes.js";
import { isSysTopic } from "../protocol/topics.js";
import { pastLimit } from "./limits/limits.js";
import type { ConnectPacket } from "./protocol-engine.js";

/** Returns why CONNACK refused that CONNECT. @param detail a reason that the return code does not contain */
export function refusalReason(
  returnCode: number,
  { clientId, protocolVersion }: ConnectPacket,
  limit: ReachedLimit | null,
  detail: string | null,
): string {
  if (limit) return `return code ${returnCode}: ${pastLimit(limit)}`;
  // Short: it must fit into a line of the log.
  if (protocolVersion === 5) return `code ${returnCode}, MQTT 5: use 3.1.1, or Mosquitto`;
  const words = `return code ${returnCode}, ${returnCodes[returnCode]?.name ?? "refused"}`;
  if (detail !== null) return `${words}: ${detail}`;
  if (returnCode === 2 && protocolVersion === 3) return `${words}: MQTT 3.1 requires 1 to 23 characters`;
  if (clientId === "") return `${words}: an empty identifier needs clean session 1 [MQTT-3.1.3-8]`;
  return words;
}

/** Returns why a client was refused before a valid CONNECT. */
export function notMqttReason(error: NodeJS.ErrnoException, limit: ReachedLimit | null): string {
  if (limit) return pastLimit(limit);
  return (error.code?.startsWith("ERR_SSL_") && tlsFault(error)) || `no valid CONNECT: ${error.message}`;
}

/** Faults by OpenSSL's error code. */
const TLS_FAULTS: [code: RegExp, fault: string][] = [
  [/WRONG_VERSION_NUMBER|HTTP_REQUEST/, "no TLS, which this port requires"],
  [/UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW/, "its TLS is older than 1.2"],
  [/ALERT_(UNKNOWN_CA|CERTIFICATE|BAD_CERTIFICATE)/, "it does not trust the certificate of --tls-cert"],
];

/** Returns why TLS failed; null if the network failed. */
export function tlsFault({ code = "", message, syscall }: NodeJS.ErrnoException): string | null {
  if (syscall !== undefined || code === "ECONNRESET") return null;
  return TLS_FAULTS.find(([name]) => name.test(code))?.[1] ?? `no TLS: ${code || message}`;
}

/** Returns why a will's topic is invalid, or null. aedes would check it only when it publishes the will. */
export function willTopicFault(topic: string): string | null {
  if (topic === "") return "the will's topic is empty [MQTT-4.7.3-1]";
  if (/[+#]/.test(topic)) return "the will's topic has a wildcard [MQTT-3.3.2-2]";
  if (isSysTopic(topic)) return "the will's topic is the broker's own ($SYS)";
  return null;
}
