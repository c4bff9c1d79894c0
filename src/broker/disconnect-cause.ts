import type { Duplex } from "node:stream";
import type { EndCause, ReachedLimit } from "../events/events.js";
import { LimitError } from "./limits/limits.js";
import type { EngineClient } from "./protocol-engine.js";

/** The clause that publishes a will, or discards it after DISCONNECT, by the cause of its connection's end. */
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

/** The clause for a publication without authorization. */
export const REFUSED = "[MQTT-3.3.5-2]";

/** Returns the limit that ended a connection, or null. */
export const limitOf = (error: Error): ReachedLimit | null =>
  error instanceof LimitError ? error.limit : null;

/** Returns why a connection failed. Errors of the operating system name a call, the broker's own do not. */
export function causeOfError(error: NodeJS.ErrnoException): EndCause {
  if (error.syscall !== undefined) return "network-error";
  return limitOf(error) ? "limit" : "protocol-error";
}

/** Returns why a connection without an error ended: DISCONNECT, the client's FIN, or an invalid packet. */
export function causeOfEnd(client: EngineClient, stream: Duplex): EndCause {
  if (client.hasDisconnected) return "graceful";
  return stream.readableEnded ? "connection-closed" : "protocol-error";
}
