import type { Message } from "./message.js";
import type { Session, StoredSubscription } from "./session.js";
import type { Owed } from "./session-queue.js";

/** One session that a message goes to, at the QoS that its subscriptions allow. */
export interface Target {
  session: Session;
  /** What is owed to it from now on; null at QoS 0. */
  owed: Owed | null;
}

/** Whose message it is; a QoS 2 one is taken once, by its packet identifier [MQTT-4.3.3-2]. */
export interface Origin {
  session: Session;
  packetId: number;
}

/**
 * What the broker keeps: sessions with their subscriptions and queues, retained messages and wills. Everything that a
 * client is told of has gone through here before: a store on disk answers when it is safe there.
 */
export interface Store {
  /** The session of that client with clean session 0. */
  stored(clientId: string): Session | undefined;
  storedSessions(): Iterable<Session>;
  /** That session, or a new one. */
  openStored(clientId: string): Session;
  openClean(clientId: string): Session;
  /** Everything of it is gone [MQTT-3.1.2-6]. */
  end(session: Session): void;
  subscribe(session: Session, subscription: StoredSubscription): void;
  unsubscribe(session: Session, topicFilter: string): void;
  /** Each subscription that matches the topic name. */
  match(topicName: string, found: (session: Session, subscription: StoredSubscription) => void): void;
  /**
   * Takes a message: retains it if it says so, and queues it for each session that has subscribed. `accepted` is called
   * when it is safe, in the order of the calls.
   */
  accept(message: Message, origin: Origin | null, accepted: (targets: Target[]) => void): void;
  /** Queues, for one session, what a new subscription of it found retained. */
  owe(session: Session, message: Message, qos: 1 | 2): Owed;
  retain(message: Message): void;
  retained(): Iterable<Message>;
  retainedOn(topicName: string): Message | undefined;
  /** Each once, however many of the filters match. */
  retainedFor(topicFilters: string[]): Iterable<Message>;
  setWill(clientId: string, will: Message): void;
  will(clientId: string): Message | undefined;
  clearWill(clientId: string): void;
  wills(): Iterable<[clientId: string, will: Message]>;
}
