import type { Will } from "../events.js";
import type { Outbox } from "./kept.js";

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
  /** Where the broker listens: `mqtt://host:port`, or with `mqtts`, `ws` or `wss`. User name and password have fields
   * of their own. */
  broker: string;
  /** Another URL of the same broker, tried where the first can't be reached; default: none. */
  fallback?: string | null;
  /** Unique at the broker [MQTT-3.1.3-2]; 23 letters and digits are accepted everywhere [MQTT-3.1.3-5]. */
  clientId: string;
  /** Default false: the broker keeps the session while this client is away. */
  cleanSession?: boolean;
  /** Seconds, 0 (off) to 65 535; default 60. */
  keepAlive?: number;
  /** Default: none. */
  will?: Will | null;
  username?: string | null;
  password?: string | null;
  /** For `mqtts` and `wss`; default: the system's certificates are trusted. */
  tls?: TlsSettings | null;
  /** Seconds to go on trying for the first connection; default 15. */
  connectTimeout?: number;
  /** Seconds to go on trying after a connection was lost; default 300. */
  reconnectTimeout?: number;
  /** Topics `<namespace>/<machine>/…` tell of a machine; default "Binil". */
  namespace?: string;
  /** Emit a `packet` event for every packet in both directions; default false. */
  debug?: boolean;
}

export const DEFAULTS = {
  cleanSession: false,
  keepAlive: 60,
  fallback: null,
  tls: null,
  will: null,
  username: null,
  password: null,
  connectTimeout: 15,
  reconnectTimeout: 300,
  namespace: "Binil",
  debug: false,
};

export interface ConnectionHooks {
  /**
   * Asked at each PUBLISH before anything is acknowledged. After false it is neither shown nor acknowledged, so that
   * at QoS 1 and 2 it comes again in the session's next connection.
   */
  accept?(topic: string): boolean;
  /** False: what is accepted is shown, and never acknowledged. Default true. */
  acknowledge?: boolean;
  /** Aborted: no further attempts to connect. */
  signal?: AbortSignal;
  /** Where what `publishKept` is given outlives the process. */
  outbox?: Outbox;
}
