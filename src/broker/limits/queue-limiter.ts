import type { LimitName } from "../../events/events.js";
import type { Limits } from "./limits.js";
import type { EventThrottle } from "../event-throttle.js";
import type { Session } from "../session/session.js";
import type { Store } from "../store/store.js";

/** Whose queue was the longest when it was looked for; it counts as that until it is so short, in bytes. */
interface Longest {
  session: Session | null;
  until: number;
}

/** The one case in which something acknowledged is given up: the oldest message of a session that has too many. */
export class QueueLimiter {
  #longest: Longest = { session: null, until: 0 };

  constructor(
    private readonly store: Store,
    private readonly limits: Limits,
    private readonly pace: EventThrottle,
  ) {}

  /** To be called for each message that comes to the queue, before it is sent. */
  enforce(session: Session): void {
    const { queue } = session;
    if (queue.length > this.limits["queued-messages"]) this.#drop(session, "queued-messages");
    while (queue.bytes > this.limits["queued-bytes"] && this.#drop(session, "queued-bytes"));
    while (this.store.usage.queuedBytes > this.limits["queued-bytes-in-all"] && this.#dropOfLongest());
  }

  /** So who has little queued loses nothing to who has much. */
  #dropOfLongest(): boolean {
    // To look at all the sessions for each message would take longer than the message.
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
    this.pace.emitIfIdle(() => ({ event: "message-dropped", clientId, topic, packetId, queued, limit }));
    return true;
  }
}
