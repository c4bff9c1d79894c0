import type { QoS } from "../events.js";
import { topicMatches } from "../topics.js";
import type { Message } from "./message.js";
import { Session, type StoredSubscription } from "./session.js";
import type { Owed } from "./session-queue.js";
import type { Accepted, Arrival, Origin, Settle, Store, Target } from "./store.js";
import { TopicTree } from "./topic-tree.js";

/** Topics whose receivers are remembered: more than a class has machines. */
const MOST_REMEMBERED = 1000;
/** Characters of such a topic. */
const LONGEST_REMEMBERED = 200;

/** A session that gets what is published on a topic, at the highest QoS of its filters that match [MQTT-3.3.5-1]. */
interface Receiver {
  session: Session;
  qos: QoS;
}

const hasWildcard = (topicFilter: string) => /[+#]/.test(topicFilter);

/** A message on its way into the store. */
export interface Taken {
  identity: number;
  message: Message;
  origin: Origin | null;
  targets: Target[];
}

/** A store that ends with its process. */
export class MemoryStore implements Store {
  readonly folder: string | null = null;
  readonly #stored = new Map<string, Session>();
  readonly #subscriptions = new TopicTree<Session, StoredSubscription>();
  /** By topic, until a subscription changes: to find them anew is a tenth of what a queued message costs. */
  readonly #receivers = new Map<string, Receiver[]>();
  readonly #retained = new Map<string, Message>();
  readonly #wills = new Map<string, { will: Message; user: string | null }>();
  protected lastIdentity = 0;

  stored(clientId: string): Session | undefined {
    return this.#stored.get(clientId);
  }

  storedSessions(): Iterable<Session> {
    return this.#stored.values();
  }

  openStored(clientId: string, user: string | null = null): Session {
    const session = this.#stored.get(clientId) ?? new Session(clientId, true);
    session.user ??= user;
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
    this.#receivers.clear();
  }

  subscribe(session: Session, subscription: StoredSubscription): void {
    session.subscriptions.set(subscription.topic, subscription);
    this.#subscriptions.set(subscription.topic, session, subscription);
    this.#receivers.clear();
  }

  unsubscribe(session: Session, topicFilter: string): void {
    session.subscriptions.delete(topicFilter);
    this.#subscriptions.delete(topicFilter, session);
    this.#receivers.clear();
  }

  match(topicName: string, found: (session: Session, subscription: StoredSubscription) => void): void {
    this.#subscriptions.match(topicName, found);
  }

  accept(message: Message, origin: Origin | null, accepted: Accepted): void {
    const taken = this.plan(message, origin);
    this.enter(taken);
    accepted(taken.targets, null);
  }

  /** What is to become of a message, by what is stored now. */
  protected plan(message: Message, origin: Origin | null): Taken {
    if (origin && "willOf" in origin) {
      if (this.will(origin.willOf) === origin.will) this.#wills.delete(origin.willOf);
    } else origin?.session.received.add(origin.packetId);
    const identity = this.nextIdentity();
    const targets = this.#receiversOf(message.topic).map(({ session, qos: subscribed }): Target => {
      const qos = Math.min(message.qos, subscribed);
      return {
        session,
        owed: qos === 1 || qos === 2 ? session.queue.prepare(identity, message, qos, false) : null,
      };
    });
    return { identity, message, origin, targets };
  }

  protected enter({ identity, message, targets }: Taken): void {
    if (message.retain) this.setRetained(message, identity);
    for (const { session, owed } of targets) if (owed) session.queue.enter(owed);
  }

  /** Ascending, so that messages are in order by it. */
  protected nextIdentity(): number {
    return ++this.lastIdentity;
  }

  #receiversOf(topicName: string): Receiver[] {
    const remembered = this.#receivers.get(topicName);
    if (remembered) return remembered;
    const highest = new Map<Session, QoS>();
    this.#subscriptions.match(topicName, (session, { qos }) =>
      highest.set(session, Math.max(qos, highest.get(session) ?? 0) as QoS),
    );
    const receivers = Array.from(highest, ([session, qos]) => ({ session, qos }));
    if (this.#receivers.size === MOST_REMEMBERED) this.#receivers.clear();
    if (topicName.length <= LONGEST_REMEMBERED) this.#receivers.set(topicName, receivers);
    return receivers;
  }

  owe(
    session: Session,
    message: Message,
    qos: 1 | 2,
    retain: boolean,
    entered: () => void,
    identity = this.nextIdentity(),
  ): void {
    session.queue.add(identity, message, qos, retain);
    entered();
  }

  numbered(_session: Session, _owed: Owed[], goOn: () => void): void {
    goOn();
  }

  released(session: Session, packetId: number): boolean {
    return session.queue.received(packetId);
  }

  acknowledged(session: Session, packetId: number): Owed | null {
    return session.queue.acknowledged(packetId);
  }

  giveUpOldest(session: Session): Owed | null {
    return session.queue.dropOldest();
  }

  arrived({ session, packetId }: Arrival): void {
    session.received.add(packetId);
  }

  completed({ session, packetId }: Arrival): boolean {
    return session.received.delete(packetId);
  }

  retain(message: Message): void {
    this.setRetained(message, this.nextIdentity());
  }

  protected setRetained(message: Message, _identity: number): void {
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

  setWill(clientId: string, will: Message, user: string | null = null): void {
    this.#wills.set(clientId, { will, user });
  }

  will(clientId: string): Message | undefined {
    return this.#wills.get(clientId)?.will;
  }

  protected keptWill(clientId: string): { will: Message; user: string | null } | undefined {
    return this.#wills.get(clientId);
  }

  clearWill(clientId: string): void {
    this.#wills.delete(clientId);
  }

  *wills(): Iterable<[string, Message, string | null]> {
    for (const [clientId, { will, user }] of this.#wills) yield [clientId, will, user];
  }

  whenSafe(settle: Settle): void {
    settle(null);
  }

  async close(): Promise<void> {}
}
