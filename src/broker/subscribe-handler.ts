import { BROKER_STATUS_TOPIC, topicFilterProblem } from "../protocol/topics.js";
import { brokerStatusOf } from "./broker-status.js";
import type { ClientConnection } from "./client-connection.js";
import type { ConnectionRegistry } from "./connection-registry.js";
import type { EventThrottle } from "./event-throttle.js";
import type { StoreQuota } from "./limits/store-quota.js";
import type { ApplicationMessage } from "./message.js";
import type { StoredSubscription } from "./session/session.js";
import type { Store } from "./store/store.js";

/** Handles SUBSCRIBE: grants or refuses each subscription, and finds its retained messages. */
export class SubscribeHandler {
  constructor(
    private readonly connections: ConnectionRegistry,
    private readonly store: Store,
    private readonly quota: StoreQuota,
    private readonly throttle: EventThrottle,
  ) {}

  subscribe(
    connection: ClientConnection,
    subscription: StoredSubscription,
    done: (error: Error | null, isGranted: boolean) => void,
  ): void {
    const { topic } = subscription;
    const problem = topicFilterProblem(topic);
    if (problem) return done(new Error(problem), false);
    const { active } = connection;
    if (!active || (topic === BROKER_STATUS_TOPIC && !connection.isLocal)) return done(null, false);
    connection.handleInTurn(true, () => {
      if (!this.#isAllowed(connection, topic)) return done(null, false);
      active.subscribe(subscription, this.#retainedFor(topic), error => done(error, error === null));
    });
  }

  #isAllowed(connection: ClientConnection, topicFilter: string): boolean {
    const { clientId, session } = connection;
    if (!connection.maySubscribe(topicFilter)) {
      connection.emitNotAuthorized("subscribe", topicFilter);
      return false;
    }
    const limit = session && this.quota.subscription(session, topicFilter);
    if (!limit) return true;
    this.throttle.emitSampled(() => ({ event: "subscription-refused", clientId, topicFilter, limit }));
    return false;
  }

  #retainedFor(topicFilter: string): Iterable<ApplicationMessage | null> {
    return topicFilter === BROKER_STATUS_TOPIC ? this.#status() : this.store.retainedMatching(topicFilter);
  }

  /** Generates the status message when it is sent. */
  *#status(): Iterable<ApplicationMessage> {
    const payload = Buffer.from(JSON.stringify(brokerStatusOf(this.store, this.connections.all())));
    yield { topic: BROKER_STATUS_TOPIC, payload, qos: 1, retain: true };
  }

  /** Reports the granted subscriptions, and sends their retained messages after SUBACK. */
  onSubscribed({ clientId, active }: ClientConnection, granted: StoredSubscription[]): void {
    for (const { topic, qos } of granted)
      this.throttle.emit({ event: "subscribed", clientId, topicFilter: topic, qos });
    active?.sendRetained();
  }
}
