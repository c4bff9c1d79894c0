import { setImmediate } from "node:timers/promises";
import type { QoS } from "../events.js";
import { BROKER_STATUS_TOPIC } from "../topics.js";
import type { Delivery } from "./delivery.js";
import type { Message } from "./message.js";
import type { QueueLimit } from "./queue-limit.js";
import type { Session, StoredSubscription } from "./session.js";
import type { Store } from "./store.js";

/** So many, and then other connections have a turn. */
const AT_ONCE = 100;

/** Sends one client what its new subscriptions found retained: for each at its QoS [MQTT-3.8.4-4, 3.8.4-6]. */
export class RetainedDelivery {
  /** What is still to be sent. */
  readonly #found: { subscription: StoredSubscription; retained: Message[] }[] = [];

  constructor(
    private readonly delivery: Delivery,
    private readonly session: Session,
    private readonly store: Store,
    private readonly limit: QueueLimit,
  ) {}

  found(subscription: StoredSubscription, retained: Message[]): void {
    this.#found.push({ subscription, retained });
  }

  /** At the pace at which it is read. */
  async send(): Promise<void> {
    for (const { subscription, retained } of this.#found.splice(0))
      for (const [i, message] of retained.entries()) {
        this.#sendOne(message, subscription);
        if (i % AT_ONCE === AT_ONCE - 1) await setImmediate();
        await this.delivery.drained();
      }
  }

  #sendOne({ topic, payload, qos }: Message, subscription: StoredSubscription): void {
    const { delivery, session } = this;
    const isSubscribed = session.subscriptions.get(subscription.topic) === subscription;
    if (!isSubscribed || session.delivery !== delivery) return;
    // A newer one is on its way already, and must not be overtaken by this [MQTT-4.6.0-6].
    if (topic !== BROKER_STATUS_TOPIC && this.store.retainedOn(topic)?.payload !== payload) return;
    const granted = Math.min(qos, subscription.qos) as QoS;
    const message = { topic, payload, qos, retain: true };
    if (granted === 0) return delivery.sendOnce(message, true);
    this.store.owe(session, message, granted, true, () => {
      this.limit.keep(session);
      session.delivery?.pump();
    });
  }
}
