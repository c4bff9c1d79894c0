import type { QoS } from "../../events/events.js";
import { topicMatches } from "../../protocol/topics.js";
import type { ApplicationMessage } from "../message.js";
import { Session, type StoredSubscription } from "../session/session.js";
import type { QueuedMessage } from "../session/outbound-queue.js";
import type { Accepted, Arrival, StoreUsage, Origin, DoneCallback, Store, Target } from "./store.js";
import { levelsOf } from "../limits/limits.js";
import { retainedBytes } from "../limits/store-quota.js";
import { SubscriptionTrie } from "./subscription-trie.js";

/** Receivers that are remembered, topics counted too: more than a fleet has. */
const MOST_REMEMBERED = 100_000;
/** Characters of such a topic. */
const LONGEST_REMEMBERED = 200;

/** A session that gets what is published on a topic, at the highest QoS of its filters that match [MQTT-3.3.5-1]. */
interface Receiver {
  session: Session;
  qos: QoS;
}

const hasWildcard = (topicFilter: string) => /[+#]/.test(topicFilter);

interface Retained {
  message: ApplicationMessage;
  identity: number;
}

/** A message on its way into the store. */
export interface PlannedMessage {
  identity: number;
  message: ApplicationMessage;
  origin: Origin | null;
  targets: Target[];
}

/** A store that ends with its process. */
export class MemoryStore implements Store {
  readonly folder: string | null = null;
  readonly usage: StoreUsage = {
    sessions: 0,
    filterLevels: 0,
    queuedBytes: 0,
    unreleased: 0,
    retainedMessages: 0,
    retainedBytes: 0,
  };
  readonly #stored = new Map<string, Session>();
  readonly #sessions = new Set<Session>();
  readonly #subscriptions = new SubscriptionTrie<Session, StoredSubscription>();
  /** By topic, until a subscription changes: to find them anew is a tenth of what a queued message costs. */
  readonly #receivers = new Map<string, Receiver[]>();
  #remembered = 0;
  readonly #retained = new Map<string, Retained>();
  readonly #wills = new Map<string, { will: ApplicationMessage; user: string | null }>();
  protected lastIdentity = 0;

  stored(clientId: string): Session | undefined {
    return this.#stored.get(clientId);
  }

  storedSessions(): Iterable<Session> {
    return this.#stored.values();
  }

  sessions(): Iterable<Session> {
    return this.#sessions;
  }

  openStored(clientId: string, user: string | null = null): Session {
    const known = this.#stored.get(clientId);
    const session = known ?? this.#opened(new Session(clientId, true, this.usage));
    session.user ??= user;
    this.#stored.set(clientId, session);
    this.usage.sessions = this.#stored.size;
    return session;
  }

  openClean(clientId: string): Session {
    return this.#opened(new Session(clientId, false, this.usage));
  }

  #opened(session: Session): Session {
    this.#sessions.add(session);
    return session;
  }

  end(session: Session): void {
    if (this.#stored.get(session.clientId) === session) this.#stored.delete(session.clientId);
    this.usage.sessions = this.#stored.size;
    if (this.#sessions.delete(session)) session.queue.stopCounting();
    this.usage.unreleased -= session.inboundQos2.size;
    session.inboundQos2.clear();
    for (const topicFilter of session.subscriptions.keys()) this.#unsubscribe(session, topicFilter);
  }

  subscribe(session: Session, subscription: StoredSubscription): void {
    const { topic } = subscription;
    if (!session.subscriptions.has(topic)) this.usage.filterLevels += levelsOf(topic);
    session.subscriptions.set(topic, subscription);
    this.#subscriptions.set(topic, session, subscription);
    this.#forgetReceivers();
  }

  unsubscribe(session: Session, topicFilter: string): void {
    this.#unsubscribe(session, topicFilter);
  }

  #unsubscribe(session: Session, topicFilter: string): void {
    if (session.subscriptions.delete(topicFilter)) this.usage.filterLevels -= levelsOf(topicFilter);
    this.#subscriptions.delete(topicFilter, session);
    this.#forgetReceivers();
  }

  #forgetReceivers(): void {
    this.#receivers.clear();
    this.#remembered = 0;
  }

  match(topicName: string, found: (session: Session, subscription: StoredSubscription) => void): void {
    this.#subscriptions.match(topicName, found);
  }

  accept(message: ApplicationMessage, origin: Origin | null, accepted: Accepted): void {
    const taken = this.plan(message, origin);
    this.enter(taken);
    accepted(taken.targets, null);
  }

  /** What is to become of a message, by what is stored now. */
  protected plan(message: ApplicationMessage, origin: Origin | null): PlannedMessage {
    if (origin && "willOf" in origin) {
      if (this.will(origin.willOf) === origin.will) this.#wills.delete(origin.willOf);
    } else if (origin) this.#arrived(origin);
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

  protected enter({ identity, message, targets }: PlannedMessage): void {
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
    if (topicName.length <= LONGEST_REMEMBERED) this.#remember(topicName, receivers);
    return receivers;
  }

  #remember(topicName: string, receivers: Receiver[]): void {
    const more = 1 + receivers.length;
    if (this.#remembered + more > MOST_REMEMBERED) this.#forgetReceivers();
    if (more > MOST_REMEMBERED) return;
    this.#remembered += more;
    this.#receivers.set(topicName, receivers);
  }

  enqueue(
    session: Session,
    message: ApplicationMessage,
    qos: 1 | 2,
    retain: boolean,
    entered: () => void,
    identity = this.nextIdentity(),
  ): void {
    session.queue.add(identity, message, qos, retain);
    entered();
  }

  recordPacketIds(_session: Session, _owed: QueuedMessage[], goOn: () => void): void {
    goOn();
  }

  released(session: Session, packetId: number): boolean {
    return session.queue.markReleased(packetId);
  }

  acknowledged(session: Session, packetId: number): QueuedMessage | null {
    return session.queue.acknowledge(packetId);
  }

  dropOldest(session: Session, sentToo = false): QueuedMessage | null {
    return session.queue.dropOldest(sentToo);
  }

  recordInboundQos2({ session, packetId }: Arrival): void {
    this.#arrived({ session, packetId });
  }

  #arrived({ session: { inboundQos2 }, packetId }: Arrival): void {
    if (!inboundQos2.has(packetId)) this.usage.unreleased += 1;
    inboundQos2.add(packetId);
  }

  releaseInboundQos2({ session, packetId }: Arrival): boolean {
    const isKnown = session.inboundQos2.delete(packetId);
    if (isKnown) this.usage.unreleased -= 1;
    return isKnown;
  }

  retain(message: ApplicationMessage): void {
    this.setRetained(message, this.nextIdentity());
  }

  protected setRetained(message: ApplicationMessage, identity: number): void {
    const { usage } = this;
    const previous = this.#retained.get(message.topic);
    if (previous) usage.retainedBytes -= retainedBytes(previous.message);
    if (message.payload.length === 0)
      this.#retained.delete(message.topic); // [MQTT-3.3.1-10]
    else {
      this.#retained.set(message.topic, { message, identity });
      usage.retainedBytes += retainedBytes(message);
    }
    usage.retainedMessages = this.#retained.size;
  }

  *retained(): Iterable<ApplicationMessage> {
    for (const { message } of this.#retained.values()) yield message;
  }

  retainedOn(topicName: string): ApplicationMessage | undefined {
    return this.#retained.get(topicName)?.message;
  }

  *retainedFor(topicFilters: string[]): Iterable<ApplicationMessage> {
    for (const message of this.retained())
      if (topicFilters.some(filter => topicMatches(filter, message.topic))) yield message;
  }

  foundRetained(topicFilter: string): Iterable<ApplicationMessage | null> {
    return this.#found(topicFilter, this.lastIdentity);
  }

  *#found(topicFilter: string, newest: number): Iterable<ApplicationMessage | null> {
    const exact = hasWildcard(topicFilter) ? null : this.#retained.get(topicFilter);
    for (const each of exact === null ? this.#retained.values() : [exact]) {
      const isFound = each && each.identity <= newest && topicMatches(topicFilter, each.message.topic);
      yield isFound ? each.message : null;
    }
  }

  setWill(clientId: string, will: ApplicationMessage, user: string | null = null): void {
    this.#wills.set(clientId, { will, user });
  }

  will(clientId: string): ApplicationMessage | undefined {
    return this.#wills.get(clientId)?.will;
  }

  protected keptWill(clientId: string): { will: ApplicationMessage; user: string | null } | undefined {
    return this.#wills.get(clientId);
  }

  clearWill(clientId: string): void {
    this.#wills.delete(clientId);
  }

  *wills(): Iterable<[string, ApplicationMessage, string | null]> {
    for (const [clientId, { will, user }] of this.#wills) yield [clientId, will, user];
  }

  onDurable(settle: DoneCallback): void {
    settle(null);
  }

  async close(): Promise<void> {}
}
