import type { EndCause, ReachedLimit } from "../events/events.js";
import { LimitError } from "./limits/limits.js";
import { type AedesClient, hasDisconnected } from "./aedes/internals.js";

/** What became of a will, by the cause of its connection's end: published, except after DISCONNECT. */
export const willClause: Record<EndCause, string> = {
  graceful: "[MQTT-3.14.4-3]",
  "connection-closed": "[MQTT-3.1.2-8]",
  "network-error": "[MQTT-3.1.2-8]",
  "keep-alive-timeout": "[MQTT-3.1.2-8]",
  "protocol-error": "[MQTT-3.1.2-8]",
  "taken-over": "[MQTT-3.1.2-8]",
  limit: "[MQTT-3.1.2-8]",
  "not-authorized": "[MQTT-3.1.2-8]",
  "broker-stopped": "[MQTT-3.1.2-8]",
};

/** What is to become of a publication that is not authorized. */
export const REFUSED = "[MQTT-3.3.5-2]";

/** The limit that ended a connection, if one did. */
export const limitOf = (error: Error): ReachedLimit | null =>
  error instanceof LimitError ? error.limit : null;

/** Why a connection failed: the system's own errors name the call that failed, what the broker minds has none. */
export function causeOfError(error: NodeJS.ErrnoException): EndCause {
  if (error.syscall !== undefined) return "network-error";
  return limitOf(error) ? "limit" : "protocol-error";
}

/** Why a connection without an error ended: DISCONNECT, the peer's FIN, or the broker that hung up on nonsense. */
export function causeOfEnd(client: AedesClient): EndCause {
  if (hasDisconnected(client)) return "graceful";
  return client.conn.readableEnded ? "connection-closed" : "protocol-error";
}
