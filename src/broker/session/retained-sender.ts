import { setImmediate } from "node:timers/promises";
import type { QoS } from "../../events/events.js";
import { BROKER_STATUS_TOPIC } from "../../protocol/topics.js";
import type { ApplicationMessage } from "../message.js";
import type { Sender } from "./sender.js";
import type { QueueLimiter } from "../limits/queue-limiter.js";
import type { Session, StoredSubscription } from "./session.js";
import type { Store } from "../store/store.js";

/** Work after which other connections have a turn; a unit is one retained message examined: under a millisecond in all. */
const WORK_PER_TURN = 1000;
/** Work of sending one message. */
const SEND_WORK = 10;

/** Sends one client the retained messages of its new subscriptions, each at its QoS [MQTT-3.8.4-4, 3.8.4-6]. */
export class RetainedSender {
  readonly #queue: { subscription: StoredSubscription; retained: Iterable<ApplicationMessage | null> }[] = [];
  #isSending = false;

  constructor(
    private readonly sender: Sender,
    private readonly session: Session,
    private readonly store: Store,
    private readonly limiter: QueueLimiter,
  ) {}

  enqueue(subscription: StoredSubscription, retained: Iterable<ApplicationMessage | null>): void {
    this.#queue.push({ subscription, retained });
  }

  /** Sends one subscription after the other, as fast as the client reads. */
  async send(): Promise<void> {
    if (this.#isSending) return;
    this.#isSending = true;
    let work = 0;
    for (let next = this.#queue.shift(); next; next = this.#queue.shift())
      for (const message of next.retained) {
        work += message ? SEND_WORK : 1;
        if (message) {
          this.#sendOne(message, next.subscription);
          await this.sender.drained();
        }
        if (work >= WORK_PER_TURN) {
          work = 0;
          await setImmediate();
        }
        if (!this.sender.isAttached) return;
      }
    this.#isSending = false;
  }

  #sendOne({ topic, payload, qos }: ApplicationMessage, subscription: StoredSubscription): void {
    const { sender, session } = this;
    const isSubscribed = session.subscriptions.get(subscription.topic) === subscription;
    if (!isSubscribed || !sender.isAttached) return;
    // A newer message may have been sent already, which this one must not follow [MQTT-4.6.0-6].
    if (topic !== BROKER_STATUS_TOPIC && this.store.retainedOn(topic)?.payload !== payload) return;
    const granted = Math.min(qos, subscription.qos) as QoS;
    const message = { topic, payload, qos, retain: true };
    if (granted === 0) return sender.sendOnce(message, true);
    this.store.enqueue(session, message, granted, true, () => {
      this.limiter.enforce(session);
      session.sender?.pump();
    });
  }
}
