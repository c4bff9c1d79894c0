import { MOST_QUEUED } from "./limits.js";
import type { Message } from "./message.js";
import type { Pace } from "./pace.js";
import type { Session } from "./session.js";
import type { Origin, Store, Target } from "./store.js";

/** Takes messages, and passes each on to the sessions that have subscribed, before its sender is answered. */
export class Publications {
  readonly #store: Store;
  readonly #pace: Pace;

  constructor(store: Store, pace: Pace) {
    this.#store = store;
    this.#pace = pace;
  }

  /** @param accepted called when the message is safe, and on its way */
  accept(message: Message, origin: Origin | null, accepted: () => void): void {
    this.#store.accept(message, origin, targets => {
      if (message.retain) this.#tellRetained(message);
      for (const target of targets) this.#passOn(message, target);
      accepted();
    });
  }

  #tellRetained({ topic, payload }: Message): void {
    this.#pace.emit({ event: payload.length === 0 ? "retained-cleared" : "message-retained", topic });
  }

  #passOn(message: Message, { session, owed }: Target): void {
    const { delivery } = session;
    // Sent to a subscription that was there before, it has retain flag 0 [MQTT-3.3.1-9].
    if (!owed) return delivery?.sendOnce(message, false);
    giveUpSurplus(session, this.#pace);
    delivery?.pump();
    // Its client is away, or has as many on their way to it as it may.
    if (owed.packetId === null) this.#tellQueued(session, message);
  }

  #tellQueued({ clientId, queue }: Session, { topic }: Message): void {
    const queued = queue.length;
    this.#pace.emitOften(() => ({ event: "message-queued", clientId, topic, packetId: null, queued }));
  }
}

/** The one case in which something acknowledged is given up: the oldest message of a session that has too many. */
export function giveUpSurplus({ clientId, queue }: Session, pace: Pace): void {
  const dropped = queue.length > MOST_QUEUED ? queue.dropOldest() : null;
  if (!dropped) return;
  const { topic } = dropped.message;
  pace.emit({ event: "message-dropped", clientId, topic, packetId: dropped.packetId, queued: queue.length });
}
