import { LimitError } from "./limits/limits.js";
import type { ApplicationMessage } from "./message.js";
import type { EventThrottle } from "./event-throttle.js";
import type { QueueLimiter } from "./limits/queue-limiter.js";
import type { Session } from "./session/session.js";
import type { StoreQuota } from "./limits/store-quota.js";
import type { Origin, DoneCallback, Store, Target } from "./store/store.js";

/** Takes messages, and passes each on to the sessions that have subscribed, before its sender is answered. */
export class Router {
  readonly #store: Store;
  readonly #room: StoreQuota;
  readonly #limit: QueueLimiter;
  readonly #pace: EventThrottle;

  constructor(store: Store, room: StoreQuota, limit: QueueLimiter, pace: EventThrottle) {
    this.#store = store;
    this.#room = room;
    this.#limit = limit;
    this.#pace = pace;
  }

  /** @param settle told when the message is safe, and on its way; with a LimitError where it can't be retained */
  accept(message: ApplicationMessage, origin: Origin | null, settle: DoneCallback): void {
    const limit = message.retain ? this.#room.retained(message) : null;
    if (!limit) return this.#accept(message, origin, settle);
    if (!origin || !("willOf" in origin)) return settle(new LimitError(limit));
    const { topic } = message;
    this.#pace.emit({ event: "will-not-retained", clientId: origin.willOf, topic, limit });
    this.#accept({ ...message, retain: false }, origin, settle);
  }

  #accept(message: ApplicationMessage, origin: Origin | null, settle: DoneCallback): void {
    this.#store.accept(message, origin, (targets, error) => {
      if (error) return settle(error);
      if (message.retain) this.#tellRetained(message);
      for (const target of targets) this.#passOn(message, target);
      settle(null);
    });
  }

  #tellRetained({ topic, payload }: ApplicationMessage): void {
    this.#pace.emit({ event: payload.length === 0 ? "retained-cleared" : "message-retained", topic });
  }

  #passOn(message: ApplicationMessage, { session, owed }: Target): void {
    const { sender } = session;
    // Sent to a subscription that was there before, it has retain flag 0 [MQTT-3.3.1-9].
    if (!owed) return sender?.sendOnce(message, false);
    this.#limit.keep(session);
    sender?.pump();
    // Its client is away, or has as many on their way to it as it may.
    if (!owed.wasSent) this.#tellQueued(session, message);
  }

  #tellQueued({ clientId, queue }: Session, { topic }: ApplicationMessage): void {
    const queued = queue.length;
    this.#pace.emitSampled(() => ({ event: "message-queued", clientId, topic, packetId: null, queued }));
  }
}
