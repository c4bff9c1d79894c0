import type { Duplex } from "node:stream";
import type { ReachedLimit } from "../../events/events.js";
import type { Permissions } from "../auth/authenticator.js";
import type { EventThrottle } from "../event-throttle.js";
import type { QueueLimiter } from "../limits/queue-limiter.js";
import type { SlowConsumers } from "../limits/slow-consumers.js";
import type { ApplicationMessage } from "../message.js";
import type { DoneCallback } from "../../util/done-callback.js";
import type { Store } from "../store/store.js";
import { type Acknowledgment, acknowledgmentFault } from "./acknowledgment-rules.js";
import { RetainedSender } from "./retained-sender.js";
import { Sender, type SenderEvents } from "./sender.js";
import type { Session, StoredSubscription } from "./session.js";

/** Shared by all active sessions of a broker. */
export interface SessionContext {
  store: Store;
  queueLimiter: QueueLimiter;
  slowConsumers: SlowConsumers;
  throttle: EventThrottle;
}

/** A session on its connection: the messages sent, the subscriptions made, and the events about them. */
export class ActiveSession implements SenderEvents {
  #sender: Sender | null = null;
  #retainedSender: RetainedSender | null = null;

  constructor(
    readonly session: Session,
    private readonly stream: Duplex,
    private readonly context: SessionContext,
    private readonly permissions: Pick<Permissions, "maySubscribe">,
  ) {}

  /** Sends the queued messages, to be called after CONNACK. */
  start(): void {
    const { session, stream } = this;
    const { store, queueLimiter, slowConsumers } = this.context;
    this.#sender = new Sender(stream, session, store, slowConsumers, this);
    this.#retainedSender = new RetainedSender(this.#sender, session, store, queueLimiter);
  }

  /** Records PUBREC. Returns why the acknowledgment ends the connection, or null. */
  checkAcknowledgment(acknowledgment: Acknowledgment, packetId: number): string | null {
    const { session } = this;
    const fault = acknowledgmentFault(acknowledgment, session.queue.sentAs(packetId));
    if (!fault && acknowledgment === "pubrec") this.context.store.markReleased(session, packetId);
    return fault;
  }

  /** Removes the message that PUBACK or PUBCOMP acknowledges. */
  onAck(packetId: number): void {
    const acknowledged = this.context.store.acknowledge(this.session, packetId);
    if (!acknowledged) return;
    this.#emitMessage("message-acknowledged", acknowledged.message.topic, packetId);
    this.#sender?.pump();
  }

  /** @param retained the messages to send after SUBACK */
  subscribe(
    subscription: StoredSubscription,
    retained: Iterable<ApplicationMessage | null>,
    done: DoneCallback,
  ): void {
    const { store } = this.context;
    store.subscribe(this.session, subscription);
    store.onDurable(error => {
      if (!error) this.#retainedSender?.enqueue(subscription, retained);
      done(error);
    });
  }

  sendRetained(): void {
    void this.#retainedSender?.send();
  }

  unsubscribe(topicFilters: string[]): void {
    const { session } = this;
    const { clientId } = session;
    for (const topicFilter of new Set(topicFilters)) {
      if (!session.subscriptions.has(topicFilter)) continue;
      this.context.store.unsubscribe(session, topicFilter);
      this.context.throttle.emit({ event: "unsubscribed", clientId, topicFilter, qos: null });
    }
  }

  /** Ends a clean session, and a stored one that no CONNACK has reported to its client. */
  end(): void {
    const { session } = this;
    this.#sender?.end();
    if (!(session.isStored && session.isEstablished)) this.context.store.end(session);
  }

  onDelivered(topic: string, packetId: number | null): void {
    this.#emitMessage("message-delivered", topic, packetId);
  }

  mayReceive(topic: string): boolean {
    return this.permissions.maySubscribe(topic);
  }

  onDropped(topic: string, limit: ReachedLimit | null): void {
    const { clientId, queue } = this.session;
    const queued = queue.length;
    const event = "message-dropped";
    this.context.throttle.emitSampled(() => ({ event, clientId, topic, packetId: null, queued, limit }));
  }

  #emitMessage(
    event: "message-delivered" | "message-acknowledged",
    topic: string,
    packetId: number | null,
  ): void {
    const { clientId, queue } = this.session;
    const queued = queue.length;
    this.context.throttle.emitSampled(() => ({ event, clientId, topic, packetId, queued }));
  }
}
