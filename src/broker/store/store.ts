import type { DoneCallback } from "../../util/done-callback.js";
import type { ApplicationMessage } from "../message.js";
import type { QueuedMessage } from "../session/outbound-queue.js";
import type { Session, StoredSubscription } from "../session/session.js";

/** A session that receives a message. */
export interface Target {
  session: Session;
  /** Null at QoS 0. */
  queued: QueuedMessage | null;
}

/** The origin of a message that is stored together with the message. */
export type Origin = InboundQos2 | DueWill;

/** A QoS 2 message is accepted once, by its packet identifier [MQTT-4.3.3-2]. */
export interface InboundQos2 {
  session: Session;
  packetId: number;
}

/** A will is stored until it is published [MQTT-3.1.2-10]. */
interface DueWill {
  willOf: string;
  will: ApplicationMessage;
}

/** Called with the targets of a message, or with an error and no targets if it is not accepted. */
export type AcceptCallback = (targets: Target[], error: Error | null) => void;

/** Totals over all sessions. */
export interface StoreUsage {
  /** Stored sessions. */
  sessions: number;
  filterLevels: number;
  /** Approximate bytes of the queues in memory. */
  queuedBytes: number;
  /** QoS 2 messages that await their PUBREL. */
  unreleased: number;
  retainedMessages: number;
  retainedBytes: number;
}

/**
 * Stores sessions with their subscriptions and queues, retained messages and wills. A change applies at once and is
 * durable later: `onDurable` calls back before a client may be answered.
 */
export interface Store {
  /** Null if the store ends with the broker. */
  readonly folder: string | null;
  readonly usage: Readonly<StoreUsage>;
  storedSession(clientId: string): Session | undefined;
  storedSessions(): Iterable<Session>;
  /** Stored and clean sessions. */
  sessions(): Iterable<Session>;
  /** Returns the stored session or a new one. A session without an owner becomes that user's. */
  openStored(clientId: string, user?: string | null): Session;
  openClean(clientId: string): Session;
  /** Discards the session and all its state [MQTT-3.1.2-6]. */
  end(session: Session): void;
  subscribe(session: Session, subscription: StoredSubscription): void;
  unsubscribe(session: Session, topicFilter: string): void;
  /**
   * Retains a message if it has RETAIN, and queues it for each session that has subscribed. Both happen when the message
   * is durable, in the order of the calls. On a full disk a message is refused, but a will waits.
   */
  accept(message: ApplicationMessage, origin: Origin | null, accepted: AcceptCallback): void;
  /** Queues a message for one session, such as a retained message for a new subscription. */
  enqueue(
    session: Session,
    message: ApplicationMessage,
    qos: 1 | 2,
    retain: boolean,
    enqueued: () => void,
    identity?: number,
  ): void;
  /** Records the packet identifiers by which the client will know these messages. */
  recordPacketIds(session: Session, messages: QueuedMessage[], recorded: () => void): void;
  /** Records PUBREC. Returns false if no such message is queued. */
  markReleased(session: Session, packetId: number): boolean;
  /** Removes and returns the message that PUBACK or PUBCOMP acknowledges. */
  acknowledge(session: Session, packetId: number): QueuedMessage | null;
  /** Removes and returns the oldest message that was never sent, or with `sentToo` the oldest of all. */
  dropOldest(session: Session, sentToo?: boolean): QueuedMessage | null;
  recordInboundQos2(inbound: InboundQos2): void;
  /** Records PUBREL. Returns false if there was no such message. */
  releaseInboundQos2(inbound: InboundQos2): boolean;
  retained(): Iterable<ApplicationMessage>;
  retainedOn(topicName: string): ApplicationMessage | undefined;
  /**
   * Yields the retained messages for a new subscription, without those accepted after this call. Yields null for each
   * other message, so that the caller can pause the search.
   */
  retainedMatching(topicFilter: string): Iterable<ApplicationMessage | null>;
  setWill(clientId: string, will: ApplicationMessage, user?: string | null): void;
  will(clientId: string): ApplicationMessage | undefined;
  clearWill(clientId: string): void;
  wills(): Iterable<[clientId: string, will: ApplicationMessage, user: string | null]>;
  /** Calls back when all changes so far are durable or cannot be: at once if none is pending. */
  onDurable(done: DoneCallback): void;
  /** Resolves when all changes are durable that can be. */
  close(): Promise<void>;
}

/** Resolves when all changes of the store so far are durable. @throws Error if they cannot be */
export const durable = (store: Store): Promise<void> =>
  new Promise((resolve, reject) => store.onDurable(error => (error ? reject(error) : resolve())));
