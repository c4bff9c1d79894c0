import type { Will } from "../events/events.js";
import type { ProtocolVersion } from "../protocol/types.js";

/** Of a connection over TLS; texts are in PEM form. */
export interface TlsSettings {
  /** Certificates to trust in place of the system's. */
  ca?: string | null;
  /** This client's own certificate, and its private key. */
  cert?: string | null;
  key?: string | null;
  /** Accept any certificate. Default false. */
  insecure?: boolean;
}

/** What `connect` needs. Every field that may be left out has the default of the commands. */
export interface ConnectionSettings {
  /** Where the broker listens: `mqtt://host:port`, or with `mqtts`, `ws` or `wss`. Several are tried in turn, for the
   * first connection and after each loss; one that was connected to goes first then. */
  broker: string | readonly string[];
  /** Unique at the broker [MQTT-3.1.3-2]; 23 letters and digits are accepted everywhere [MQTT-3.1.3-5]. */
  clientId: string;
  /** Default false: the broker stores the session. */
  cleanSession?: boolean;
  /** Default "3.1.1". */
  protocolVersion?: ProtocolVersion;
  /**
   * With MQTT 5, whole seconds that the broker stores the session after the connection, 0 to 4 294 967 295 (without a
   * limit). Default 86 400, a day. With `cleanSession` it is 0.
   */
  sessionExpiry?: number;
  /** With MQTT 5, whole seconds that the broker waits before it publishes the will, 0 to 4 294 967 295. Default 0. */
  willDelay?: number;
  /** Seconds, 0 (off) to 65 535; default 60. */
  keepAlive?: number;
  /** Default: none. */
  will?: Will | null;
  /** Of brokers whose URL has no user name; default: none. */
  username?: string | null;
  /** Of brokers whose URL has no password, and no user name other than the one above; default: none. */
  password?: string | null;
  /** For `mqtts` and `wss`; default: the system's certificates are trusted. */
  tls?: TlsSettings | null;
  /** Seconds to go on trying for the first connection; default 15. */
  connectTimeout?: number;
  /** Seconds to go on trying after a connection was lost; default 300. */
  reconnectTimeout?: number;
  /** Bytes of the largest packet. Default 4 MiB. A larger message is acknowledged and discarded. */
  maxPacket?: number;
  /** The first level of the topics `<namespace>/<machine>/…`. Default "Binil". */
  namespace?: string;
  /** Emit a `packet` event for every packet in both directions; default false. */
  debug?: boolean;
}

export const DEFAULTS = {
  protocolVersion: "3.1.1" as ProtocolVersion,
  sessionExpiry: 86_400,
  willDelay: 0,
  cleanSession: false,
  keepAlive: 60,
  tls: null,
  will: null,
  username: null,
  password: null,
  connectTimeout: 15,
  reconnectTimeout: 300,
  maxPacket: 4 * 1024 * 1024,
  namespace: "Binil",
  debug: false,
};
