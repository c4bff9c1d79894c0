import { setImmediate } from "node:timers/promises";
import type { QoS } from "../../events/events.js";
import { BROKER_STATUS_TOPIC } from "../../protocol/topics.js";
import type { Sender } from "./sender.js";
import type { ApplicationMessage } from "../message.js";
import type { QueueLimiter } from "../limits/queue-limiter.js";
import type { Session, StoredSubscription } from "./session.js";
import type { Store } from "../store/store.js";

/** Retained messages that are looked at, and then other connections have a turn: less than a millisecond. */
const AT_ONCE = 1000;
/** To send one takes as long as to look at so many. */
const SENDING = 10;

/** Sends one client what its new subscriptions found retained: for each at its QoS [MQTT-3.8.4-4, 3.8.4-6]. */
export class RetainedSender {
  /** What is still to be sent. */
  readonly #found: { subscription: StoredSubscription; retained: Iterable<ApplicationMessage | null> }[] = [];
  #isSending = false;

  constructor(
    private readonly delivery: Sender,
    private readonly session: Session,
    private readonly store: Store,
    private readonly limit: QueueLimiter,
  ) {}

  found(subscription: StoredSubscription, retained: Iterable<ApplicationMessage | null>): void {
    this.#found.push({ subscription, retained });
  }

  /** At the pace at which it is read, and one subscription after the other. */
  async send(): Promise<void> {
    if (this.#isSending) return;
    this.#isSending = true;
    let work = 0;
    for (let next = this.#found.shift(); next; next = this.#found.shift())
      for (const message of next.retained) {
        work += message ? SENDING : 1;
        if (message) {
          this.#sendOne(message, next.subscription);
          await this.delivery.drained();
        }
        if (work >= AT_ONCE) {
          work = 0;
          await setImmediate();
        }
        if (this.session.delivery !== this.delivery) return; // its connection is over
      }
    this.#isSending = false;
  }

  #sendOne({ topic, payload, qos }: ApplicationMessage, subscription: StoredSubscription): void {
    const { delivery, session } = this;
    const isSubscribed = session.subscriptions.get(subscription.topic) === subscription;
    if (!isSubscribed || session.delivery !== delivery) return;
    // A newer one is on its way already, and must not be overtaken by this [MQTT-4.6.0-6].
    if (topic !== BROKER_STATUS_TOPIC && this.store.retainedOn(topic)?.payload !== payload) return;
    const granted = Math.min(qos, subscription.qos) as QoS;
    const message = { topic, payload, qos, retain: true };
    if (granted === 0) return delivery.sendOnce(message, true);
    this.store.enqueue(session, message, granted, true, () => {
      this.limit.keep(session);
      session.delivery?.pump();
    });
  }
}
