import type { ProtocolVersion } from "./types.js";

/** The fields of CONNECT that decide how long the broker stores the session. */
interface SessionFields {
  protocolVersion: ProtocolVersion;
  cleanSession: boolean;
  /** Seconds. */
  sessionExpiry: number;
}

/** Returns the seconds that the session outlives its connection, or null with MQTT 3.1.1, which sets no limit. */
export const sessionExpiryOf = ({
  protocolVersion,
  cleanSession,
  sessionExpiry,
}: SessionFields): number | null => (protocolVersion === "3.1.1" ? null : cleanSession ? 0 : sessionExpiry);

/** Returns the seconds before the broker publishes the will: at most the session expiry (MQTT 5, 3.1.3.2.2). */
export const willDelayOf = (settings: SessionFields & { willDelay: number }): number =>
  Math.min(settings.willDelay, sessionExpiryOf(settings) ?? 0);
