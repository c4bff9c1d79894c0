import type { DoneCallback } from "../util/done-callback.js";
import type { EventThrottle } from "./event-throttle.js";
import { LimitError } from "./limits/limits.js";
import type { QueueLimiter } from "./limits/queue-limiter.js";
import type { StoreQuota } from "./limits/store-quota.js";
import type { ApplicationMessage } from "./message.js";
import type { Session } from "./session/session.js";
import type { Origin, Store, Target } from "./store/store.js";

/** Accepts messages, and passes each on to the sessions that have subscribed, before its sender is answered. */
export class Router {
  constructor(
    private readonly store: Store,
    private readonly quota: StoreQuota,
    private readonly queueLimiter: QueueLimiter,
    private readonly throttle: EventThrottle,
  ) {}

  /** @param done called when the message is durable and passed on, or with a LimitError if it cannot be retained */
  accept(message: ApplicationMessage, origin: Origin | null, done: DoneCallback): void {
    const limit = message.retain ? this.quota.retained(message) : null;
    if (!limit) return this.#accept(message, origin, done);
    if (!origin || !("willOf" in origin)) return done(new LimitError(limit));
    const { topic } = message;
    this.throttle.emit({ event: "will-not-retained", clientId: origin.willOf, topic, limit });
    this.#accept({ ...message, retain: false }, origin, done);
  }

  #accept(message: ApplicationMessage, origin: Origin | null, done: DoneCallback): void {
    this.store.accept(message, origin, (targets, error) => {
      if (error) return done(error);
      if (message.retain) this.#emitRetained(message);
      for (const target of targets) this.#passOn(message, target);
      done(null);
    });
  }

  #emitRetained({ topic, payload }: ApplicationMessage): void {
    this.throttle.emit({ event: payload.length === 0 ? "retained-cleared" : "message-retained", topic });
  }

  #passOn(message: ApplicationMessage, { session, queued }: Target): void {
    const { sender } = session;
    // For a subscription that was there before, RETAIN is 0 [MQTT-3.3.1-9].
    if (!queued) return sender?.sendOnce(message, false);
    this.queueLimiter.enforce(session);
    sender?.pump();
    if (!queued.wasSent) this.#emitQueued(session, message);
  }

  #emitQueued({ clientId, queue }: Session, { topic }: ApplicationMessage): void {
    const queued = queue.length;
    this.throttle.emitSampled(() => ({ event: "message-queued", clientId, topic, packetId: null, queued }));
  }
}
