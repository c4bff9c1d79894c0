import type { ApplicationMessage } from "../message.js";
import type { Session, StoredSubscription } from "../session/session.js";
import type { QueuedMessage } from "../session/outbound-queue.js";

/** One session that a message goes to, at the QoS that its subscriptions allow. */
export interface Target {
  session: Session;
  /** What is owed to it from now on; null at QoS 0. */
  owed: QueuedMessage | null;
}

/** Where a message comes from, where that has to be remembered with it. */
export type Origin = Arrival | DueWill;

/** A QoS 2 message is taken once, by its packet identifier [MQTT-4.3.3-2]. */
export interface Arrival {
  session: Session;
  packetId: number;
}

/** A will is stored until it is published [MQTT-3.1.2-10]. */
interface DueWill {
  willOf: string;
  will: ApplicationMessage;
}

/** Told with null, in the order of the calls, when something is safe; else why it can't be. */
export type DoneCallback = (error: Error | null) => void;

/** Told where a message goes, or with an error and no targets why it is not taken. */
export type Accepted = (targets: Target[], error: Error | null) => void;

/** How much is kept, in all. */
export interface StoreUsage {
  /** Stored ones. */
  sessions: number;
  /** Of the filters of all sessions. */
  filterLevels: number;
  /** About what the queues of all sessions take in memory. */
  queuedBytes: number;
  /** QoS 2 messages that have come and await their PUBREL. */
  unreleased: number;
  retainedMessages: number;
  retainedBytes: number;
}

/**
 * What the broker keeps: sessions with their subscriptions and queues, retained messages and wills. What is changed
 * here is changed at once, and safe later: before a client is told of it, that has to be waited for.
 */
export interface Store {
  /** The folder where all this outlives the broker; null where it ends with it. */
  readonly folder: string | null;
  readonly usage: Readonly<StoreUsage>;
  /** The session of that client with clean session 0. */
  stored(clientId: string): Session | undefined;
  storedSessions(): Iterable<Session>;
  /** Clean ones too. */
  sessions(): Iterable<Session>;
  /** That session, or a new one; where it is nobody's yet, it is that user's now. */
  openStored(clientId: string, user?: string | null): Session;
  openClean(clientId: string): Session;
  /** Everything of it is gone [MQTT-3.1.2-6]. */
  end(session: Session): void;
  subscribe(session: Session, subscription: StoredSubscription): void;
  unsubscribe(session: Session, topicFilter: string): void;
  /** Each subscription that matches the topic name. */
  match(topicName: string, found: (session: Session, subscription: StoredSubscription) => void): void;
  /**
   * Takes a message: retains it if it says so, and queues it for each session that has subscribed. All that happens
   * when it is safe, in the order of the calls; a message that can't be made safe is not taken, with an error. A will
   * is waited for until it can.
   */
  accept(message: ApplicationMessage, origin: Origin | null, accepted: Accepted): void;
  /** Queues a message for one session, such as what a new subscription found. @param entered called when it is there */
  enqueue(
    session: Session,
    message: ApplicationMessage,
    qos: 1 | 2,
    retain: boolean,
    entered: () => void,
    identity?: number,
  ): void;
  /** These have a packet identifier now, by which the client will know them. @param goOn when that is safe */
  recordPacketIds(session: Session, owed: QueuedMessage[], goOn: () => void): void;
  /** PUBREC has come. @returns false when no such message is owed */
  released(session: Session, packetId: number): boolean;
  /** PUBACK or PUBCOMP has come. @returns what nothing is owed of any more */
  acknowledged(session: Session, packetId: number): QueuedMessage | null;
  /** @returns the oldest message that was never sent, or with `sentToo` the oldest of all, which is given up */
  dropOldest(session: Session, sentToo?: boolean): QueuedMessage | null;
  /** A QoS 2 message with that packet identifier has come. */
  recordInboundQos2(arrival: Arrival): void;
  /** PUBREL has come. @returns false when there was no such message */
  releaseInboundQos2(arrival: Arrival): boolean;
  retain(message: ApplicationMessage): void;
  retained(): Iterable<ApplicationMessage>;
  retainedOn(topicName: string): ApplicationMessage | undefined;
  /** Each once, however many of the filters match. */
  retainedFor(topicFilters: string[]): Iterable<ApplicationMessage>;
  /**
   * What a new subscription finds, looked for only as it is asked for: of what is accepted after this call, nothing. Null
   * for each message that is not it, so that others may have a turn.
   */
  foundRetained(topicFilter: string): Iterable<ApplicationMessage | null>;
  setWill(clientId: string, will: ApplicationMessage, user?: string | null): void;
  will(clientId: string): ApplicationMessage | undefined;
  clearWill(clientId: string): void;
  wills(): Iterable<[clientId: string, will: ApplicationMessage, user: string | null]>;
  /** Told when all that was changed so far is safe, or can't be: at once where nothing is under way. */
  onDurable(settle: DoneCallback): void;
  /** Nothing is changed any more: kept when all is safe that can be. */
  close(): Promise<void>;
}

/** Kept when all that was changed in the store so far is safe. @throws Error when it can't be made so */
export const durable = (store: Store): Promise<void> =>
  new Promise((resolve, reject) => store.onDurable(error => (error ? reject(error) : resolve())));
