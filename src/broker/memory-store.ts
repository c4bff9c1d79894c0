import type { QoS } from "../events.js";
import { topicMatches } from "../topics.js";
import type { Message } from "./message.js";
import { Session, type StoredSubscription } from "./session.js";
import type { Owed } from "./session-queue.js";
import type { Origin, Store, Target } from "./store.js";
import { TopicTree } from "./topic-tree.js";

const hasWildcard = (topicFilter: string) => /[+#]/.test(topicFilter);

/** A store that ends with its process. */
export class MemoryStore implements Store {
  readonly #stored = new Map<string, Session>();
  readonly #subscriptions = new TopicTree<Session, StoredSubscription>();
  readonly #retained = new Map<string, Message>();
  readonly #wills = new Map<string, Message>();
  #lastIdentity = 0;

  stored(clientId: string): Session | undefined {
    return this.#stored.get(clientId);
  }

  storedSessions(): Iterable<Session> {
    return this.#stored.values();
  }

  openStored(clientId: string): Session {
    const session = this.#stored.get(clientId) ?? new Session(clientId, true);
    this.#stored.set(clientId, session);
    return session;
  }

  openClean(clientId: string): Session {
    return new Session(clientId, false);
  }

  end(session: Session): void {
    if (this.#stored.get(session.clientId) === session) this.#stored.delete(session.clientId);
    for (const topicFilter of session.subscriptions.keys()) this.#subscriptions.delete(topicFilter, session);
    session.subscriptions.clear();
  }

  subscribe(session: Session, subscription: StoredSubscription): void {
    session.subscriptions.set(subscription.topic, subscription);
    this.#subscriptions.set(subscription.topic, session, subscription);
  }

  unsubscribe(session: Session, topicFilter: string): void {
    session.subscriptions.delete(topicFilter);
    this.#subscriptions.delete(topicFilter, session);
  }

  match(topicName: string, found: (session: Session, subscription: StoredSubscription) => void): void {
    this.#subscriptions.match(topicName, found);
  }

  accept(message: Message, origin: Origin | null, accepted: (targets: Target[]) => void): void {
    origin?.session.received.add(origin.packetId);
    if (message.retain) this.retain(message);
    // Overlapping filters of one session are one message, at the highest of their QoS [MQTT-3.3.5-1].
    const highest = new Map<Session, QoS>();
    this.#subscriptions.match(message.topic, (session, { qos }) =>
      highest.set(session, Math.max(qos, highest.get(session) ?? 0) as QoS),
    );
    const identity = ++this.#lastIdentity;
    const targets = Array.from(highest, ([session, subscribed]): Target => {
      const qos = Math.min(message.qos, subscribed);
      return {
        session,
        owed: qos === 1 || qos === 2 ? session.queue.add(identity, message, qos, false) : null,
      };
    });
    accepted(targets);
  }

  owe(session: Session, message: Message, qos: 1 | 2): Owed {
    return session.queue.add(++this.#lastIdentity, message, qos, true);
  }

  retain(message: Message): void {
    if (message.payload.length === 0)
      this.#retained.delete(message.topic); // [MQTT-3.3.1-10]
    else this.#retained.set(message.topic, message);
  }

  retained(): Iterable<Message> {
    return this.#retained.values();
  }

  retainedOn(topicName: string): Message | undefined {
    return this.#retained.get(topicName);
  }

  *retainedFor(topicFilters: string[]): Iterable<Message> {
    if (!topicFilters.some(hasWildcard)) {
      const exact = Array.from(new Set(topicFilters), topic => this.#retained.get(topic));
      yield* exact.filter(message => message !== undefined);
      return;
    }
    for (const message of this.#retained.values())
      if (topicFilters.some(filter => topicMatches(filter, message.topic))) yield message;
  }

  setWill(clientId: string, will: Message): void {
    this.#wills.set(clientId, will);
  }

  will(clientId: string): Message | undefined {
    return this.#wills.get(clientId);
  }

  clearWill(clientId: string): void {
    this.#wills.delete(clientId);
  }

  wills(): Iterable<[string, Message]> {
    return this.#wills;
  }
}
