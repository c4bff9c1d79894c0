import { Readable } from "node:stream";
import type { BrokerStatus } from "../events.js";
import { BROKER_STATUS_TOPIC } from "../topics.js";
import { type ClientRef, Persistence } from "./persistence.js";
import type { Session, StoredSubscription } from "./session.js";
import type { Owed } from "./session-queue.js";
import type { Store } from "./store.js";

/** What the store's changes mean to connected clients. */
export interface LiveWitness {
  /** The session of a connected client, clean or stored. */
  sessionOf(client: object): Session | undefined;
  sessionEnded(session: Session): void;
  status(): BrokerStatus;
  acknowledged(client: object, owed: Owed): void;
}

/**
 * Stands for the subscriptions of a stored session that has none: aedes takes "no subscriptions" for "no session"
 * and answers session present 0, against [MQTT-3.2.2-2]. It is never subscribed: see `isNoSubscription`.
 */
const NO_SUBSCRIPTION: StoredSubscription = { topic: "$no-subscription", qos: 0 };

export const isNoSubscription = (subscription: object): boolean => subscription === NO_SUBSCRIPTION;

/** The store as aedes sees it while clients are connected: delivery, and what authorize hooks did already, are ours. */
export class LivePersistence extends Persistence {
  readonly #store: Store;
  readonly #witness: LiveWitness;
  /** QoS 2 messages that were accepted just now: their identifier is known, and yet they are no duplicates. */
  readonly #fresh = new WeakSet<object>();

  constructor(store: Store, witness: LiveWitness) {
    super(store);
    this.#store = store;
    this.#witness = witness;
  }

  /** That packet is about to be stored by aedes, and has been accepted here. */
  markFresh(packet: object): void {
    this.#fresh.add(packet);
  }

  protected override sessionOf(client: ClientRef): Session | undefined {
    return this.#witness.sessionOf(client) ?? super.sessionOf(client);
  }

  /** With what the broker holds, for who asks for that. */
  override createRetainedStreamCombi(topicFilters: string[]): Readable {
    // As they are now: what changes while they are sent goes out by itself.
    const retained = [...this.#store.retainedFor(topicFilters)];
    if (!topicFilters.includes(BROKER_STATUS_TOPIC)) return Readable.from(retained);
    const payload = Buffer.from(JSON.stringify(this.#witness.status()));
    const status = { topic: BROKER_STATUS_TOPIC, payload, qos: 1, retain: true };
    return Readable.from([status, ...retained]);
  }

  /** Subscribed when it was authorized, so that a refused filter beside it is not. */
  override async addSubscriptions(): Promise<void> {}

  /** Unsubscribed when aedes tells of it. */
  override async removeSubscriptions(): Promise<void> {}

  /** A clean session has identifiers of its own. */
  override async cleanIncoming(): Promise<void> {}

  override async subscriptionsByClient(client: ClientRef): Promise<StoredSubscription[]> {
    const subscriptions = await super.subscriptionsByClient(client);
    const stored = this.#store.stored(client.id)?.established;
    return stored && subscriptions.length === 0 ? [NO_SUBSCRIPTION] : subscriptions;
  }

  /** A CONNECT with clean session 1 ends the stored session, its queue included [MQTT-3.1.2-6]. */
  override async cleanSubscriptions(client: ClientRef): Promise<void> {
    const ended = this.#store.stored(client.id);
    await super.cleanSubscriptions(client);
    if (ended?.established) this.#witness.sessionEnded(ended);
  }

  /** delivery.ts sends the queue. */
  override outgoingStream(): Readable {
    return Readable.from([]);
  }

  override async outgoingClearMessageId(client: ClientRef, packet: { cmd?: string; messageId?: number }) {
    const { cmd, messageId = 0 } = packet;
    const queue = this.sessionOf(client)?.queue;
    const qos = queue?.sentAs(messageId)?.qos;
    if (qos !== undefined && (cmd === "puback") !== (qos === 1))
      throw new Error(`${cmd?.toUpperCase()} for a message at QoS ${qos} [MQTT-4.3.3-1]`);
    const owed = queue?.acknowledged(messageId);
    if (owed) this.#witness.acknowledged(client, owed);
    return undefined;
  }

  override async incomingStorePacket(): Promise<void> {}

  override async incomingGetPacket(client: ClientRef, packet: { messageId?: number }) {
    if (this.#fresh.delete(packet)) throw new Error("it is new");
    return super.incomingGetPacket(client, packet);
  }

  /** A will goes with its connection: see connection.ts. aedes' own deletion may hit a newer one's. */
  override async delWill(): Promise<undefined> {}

  /**
   * For brokers that share a store, aedes now and then publishes what looks like a dead one's wills. Here there is one
   * broker, and after a laptop's sleep the dead one would be itself: a will comes when its connection ends.
   */
  override streamWill(): Readable {
    return Readable.from([]);
  }
}
