import type { Will } from "../events.js";

/** What `connect` needs. Every field that may be left out has the default of the commands. */
export interface ConnectionSettings {
  /** Where the broker listens: `mqtt://host:port`. User name and password have fields of their own. */
  broker: string;
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
  /** Seconds to go on trying for the first connection; default 15. */
  connectTimeout?: number;
  /** Topics `<namespace>/<machine>/…` tell of a machine; default "Binil". */
  namespace?: string;
  /** Emit a `packet` event for every packet in both directions; default false. */
  debug?: boolean;
}

export const DEFAULTS = {
  cleanSession: false,
  keepAlive: 60,
  will: null,
  username: null,
  password: null,
  connectTimeout: 15,
  namespace: "Binil",
  debug: false,
};

export interface ConnectionHooks {
  /**
   * Asked at each PUBLISH before anything is acknowledged. After false it is neither shown nor acknowledged, so that
   * at QoS 1 and 2 it comes again in the session's next connection.
   */
  accept?(topic: string): boolean;
  /** Aborted: no further attempts to connect. */
  signal?: AbortSignal;
}
