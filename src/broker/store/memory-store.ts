import type { QoS } from "../../events/events.js";
import { topicMatches } from "../../protocol/topics.js";
import type { ApplicationMessage } from "../message.js";
import { Session, type StoredSubscription } from "../session/session.js";
import type { QueuedMessage } from "../session/outbound-queue.js";
import type { DoneCallback } from "../../util/done-callback.js";
import type { AcceptCallback, InboundQos2, Origin, Store, StoreUsage, Target } from "./store.js";
import { levelsOf } from "../limits/limits.js";
import { retainedBytes } from "../limits/store-quota.js";
import { SubscriptionTrie } from "./subscription-trie.js";

/** Topics and receivers in the cache: more than a fleet has. */
const MAX_CACHED = 100_000;
/** Characters of a topic in the cache. */
const MAX_CACHED_TOPIC = 200;

/** A session with the highest QoS of its filters that match a topic [MQTT-3.3.5-1]. */
interface Receiver {
  session: Session;
  qos: QoS;
}

const hasWildcard = (topicFilter: string) => /[+#]/.test(topicFilter);

interface Retained {
  message: ApplicationMessage;
  identity: number;
}

/** A message that is not durable yet. */
export interface PlannedMessage {
  identity: number;
  message: ApplicationMessage;
  origin: Origin | null;
  targets: Target[];
}

/** A store that ends with the process. */
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
  /** By topic, until a subscription changes. A search costs a tenth of a queued message. */
  readonly #receivers = new Map<string, Receiver[]>();
  #cachedCount = 0;
  readonly #retained = new Map<string, Retained>();
  readonly #wills = new Map<string, { will: ApplicationMessage; user: string | null }>();
  protected lastIdentity = 0;

  storedSession(clientId: string): Session | undefined {
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
    this.#clearCache();
  }

  unsubscribe(session: Session, topicFilter: string): void {
    this.#unsubscribe(session, topicFilter);
  }

  #unsubscribe(session: Session, topicFilter: string): void {
    if (session.subscriptions.delete(topicFilter)) this.usage.filterLevels -= levelsOf(topicFilter);
    this.#subscriptions.delete(topicFilter, session);
    this.#clearCache();
  }

  #clearCache(): void {
    this.#receivers.clear();
    this.#cachedCount = 0;
  }

  accept(message: ApplicationMessage, origin: Origin | null, accepted: AcceptCallback): void {
    const plan = this.plan(message, origin);
    this.enter(plan);
    accepted(plan.targets, null);
  }

  /** Removes a stored will, records an inbound QoS 2 identifier, and finds the targets by the present subscriptions. */
  protected plan(message: ApplicationMessage, origin: Origin | null): PlannedMessage {
    if (origin && "willOf" in origin) {
      if (this.will(origin.willOf) === origin.will) this.#wills.delete(origin.willOf);
    } else if (origin) this.#addInboundQos2(origin);
    const identity = this.nextIdentity();
    const targets = this.#receiversOf(message.topic).map(({ session, qos: maxQos }): Target => {
      const qos = Math.min(message.qos, maxQos);
      return {
        session,
        queued: qos === 1 || qos === 2 ? session.queue.prepare(identity, message, qos, false) : null,
      };
    });
    return { identity, message, origin, targets };
  }

  protected enter({ identity, message, targets }: PlannedMessage): void {
    if (message.retain) this.setRetained(message, identity);
    for (const { session, queued } of targets) if (queued) session.queue.enter(queued);
  }

  /** Returns a higher number at each call: messages are sorted by it. */
  protected nextIdentity(): number {
    return ++this.lastIdentity;
  }

  #receiversOf(topicName: string): Receiver[] {
    const cached = this.#receivers.get(topicName);
    if (cached) return cached;
    const highest = new Map<Session, QoS>();
    this.#subscriptions.match(topicName, (session, { qos }) =>
      highest.set(session, Math.max(qos, highest.get(session) ?? 0) as QoS),
    );
    const receivers = Array.from(highest, ([session, qos]) => ({ session, qos }));
    if (topicName.length <= MAX_CACHED_TOPIC) this.#cache(topicName, receivers);
    return receivers;
  }

  #cache(topicName: string, receivers: Receiver[]): void {
    const more = 1 + receivers.length;
    if (this.#cachedCount + more > MAX_CACHED) this.#clearCache();
    if (more > MAX_CACHED) return;
    this.#cachedCount += more;
    this.#receivers.set(topicName, receivers);
  }

  enqueue(
    session: Session,
    message: ApplicationMessage,
    qos: 1 | 2,
    retain: boolean,
    enqueued: () => void,
    identity = this.nextIdentity(),
  ): void {
    session.queue.add(identity, message, qos, retain);
    enqueued();
  }

  recordPacketIds(_session: Session, _messages: QueuedMessage[], recorded: () => void): void {
    recorded();
  }

  markReleased(session: Session, packetId: number): boolean {
    return session.queue.markReleased(packetId);
  }

  acknowledge(session: Session, packetId: number): QueuedMessage | null {
    return session.queue.acknowledge(packetId);
  }

  dropOldest(session: Session, sentToo = false): QueuedMessage | null {
    return session.queue.dropOldest(sentToo);
  }

  recordInboundQos2(inbound: InboundQos2): void {
    this.#addInboundQos2(inbound);
  }

  #addInboundQos2({ session: { inboundQos2 }, packetId }: InboundQos2): void {
    if (!inboundQos2.has(packetId)) this.usage.unreleased += 1;
    inboundQos2.add(packetId);
  }

  releaseInboundQos2({ session, packetId }: InboundQos2): boolean {
    const isKnown = session.inboundQos2.delete(packetId);
    if (isKnown) this.usage.unreleased -= 1;
    return isKnown;
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

  retainedMatching(topicFilter: string): Iterable<ApplicationMessage | null> {
    return this.#search(topicFilter, this.lastIdentity);
  }

  *#search(topicFilter: string, newest: number): Iterable<ApplicationMessage | null> {
    const exact = hasWildcard(topicFilter) ? null : this.#retained.get(topicFilter);
    for (const each of exact === null ? this.#retained.values() : [exact]) {
      const matches = each && each.identity <= newest && topicMatches(topicFilter, each.message.topic);
      yield matches ? each.message : null;
    }
  }

  setWill(clientId: string, will: ApplicationMessage, user: string | null = null): void {
    this.#wills.set(clientId, { will, user });
  }

  will(clientId: string): ApplicationMessage | undefined {
    return this.#wills.get(clientId)?.will;
  }

  protected storedWill(clientId: string): { will: ApplicationMessage; user: string | null } | undefined {
    return this.#wills.get(clientId);
  }

  clearWill(clientId: string): void {
    this.#wills.delete(clientId);
  }

  *wills(): Iterable<[string, ApplicationMessage, string | null]> {
    for (const [clientId, { will, user }] of this.#wills) yield [clientId, will, user];
  }

  onDurable(done: DoneCallback): void {
    done(null);
  }

  async close(): Promise<void> {}
}
