import { SessionQueue } from "./session-queue.js";

/** What the broker keeps for a client that connected with clean session 0, beside its subscriptions. */
export class Session {
  readonly queue = new SessionQueue();
  /** True once a CONNACK has told the client that it has this session. */
  established = false;
  /** The packet identifier to go on with, so that none that is still in flight is given out again [MQTT-2.3.1-4]. */
  nextPacketId: number | null = null;
}

/** The stored sessions by client identifier. */
export class Sessions {
  readonly #byId = new Map<string, Session>();

  get(clientId: string): Session | undefined {
    return this.#byId.get(clientId);
  }

  /** The session of that client, a new one if there is none. */
  open(clientId: string): Session {
    const session = this.#byId.get(clientId) ?? new Session();
    this.#byId.set(clientId, session);
    return session;
  }

  /** @returns the session that ended, if there was one that its client knew of */
  end(clientId: string): Session | undefined {
    const session = this.#byId.get(clientId);
    this.#byId.delete(clientId);
    return session?.established ? session : undefined;
  }
}
