import type { LimitName } from "../../events/events.js";
import type { Limits } from "./limits.js";
import type { EventThrottle } from "../event-throttle.js";
import type { Session } from "../session/session.js";
import type { Store } from "../store/store.js";

/** The session with the most queued bytes, until its queue has at most `until` bytes. */
interface Longest {
  session: Session | null;
  until: number;
}

/** Drops the oldest message of a session with too many. No other acknowledged message is ever dropped. */
export class QueueLimiter {
  #longest: Longest = { session: null, until: 0 };

  constructor(
    private readonly store: Store,
    private readonly limits: Limits,
    private readonly throttle: EventThrottle,
  ) {}

  /** To be called after each message is queued, before it is sent. */
  enforce(session: Session): void {
    const { queue } = session;
    if (queue.length > this.limits["queued-messages"]) this.#drop(session, "queued-messages");
    while (queue.bytes > this.limits["queued-bytes"] && this.#drop(session, "queued-bytes"));
    while (this.store.usage.queuedBytes > this.limits["queued-bytes-in-all"] && this.#dropOfLongest());
  }

  /** A session with a short queue loses nothing to one with a long queue. */
  #dropOfLongest(): boolean {
    // A search of all sessions for each message would take longer than the message.
    if (this.#longest.session === null || this.#longest.session.queue.bytes <= this.#longest.until)
      this.#longest = this.#findLongest();
    const { session } = this.#longest;
    return session !== null && this.#drop(session, "queued-bytes-in-all", true);
  }

  #findLongest(): Longest {
    let session: Session | null = null;
    let most = 0;
    for (const each of this.store.sessions())
      if (each.queue.bytes > most) {
        session = each;
        most = each.queue.bytes;
      }
    return { session, until: most / 2 };
  }

  #drop(session: Session, name: LimitName, sentToo = false): boolean {
    const dropped = this.store.dropOldest(session, sentToo);
    if (!dropped) return false;
    const { clientId, queue } = session;
    const { topic } = dropped.message;
    const { packetId } = dropped;
    const queued = queue.length;
    const limit = { name, max: this.limits[name] };
    this.throttle.emitIfIdle(() => ({ event: "message-dropped", clientId, topic, packetId, queued, limit }));
    return true;
  }
}
