import type { Pace } from "./pace.js";
import type { Session } from "./session.js";
import type { Store } from "./store.js";

/** The one case in which something acknowledged is given up: the oldest message of a session that has too many. */
export class QueueLimit {
  constructor(
    private readonly store: Store,
    /** Messages that one session may have queued. */
    private readonly most: number,
    private readonly pace: Pace,
  ) {}

  /** To be called for each message that comes to the queue. */
  keep(session: Session): void {
    const { clientId, queue } = session;
    const dropped = queue.length > this.most ? this.store.giveUpOldest(session) : null;
    if (!dropped) return;
    const { topic } = dropped.message;
    const { packetId } = dropped;
    const queued = queue.length;
    this.pace.emitWhileFree(() => ({ event: "message-dropped", clientId, topic, packetId, queued }));
  }
}
