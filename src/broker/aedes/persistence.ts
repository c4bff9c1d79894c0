import { Readable } from "node:stream";
import type { ApplicationMessage } from "../message.js";
import type { Session, StoredSubscription } from "../session/session.js";
import type { QueuedMessage } from "../session/outbound-queue.js";
import { durable, type Store } from "../store/store.js";

export interface ClientRef {
  id: string;
}

/** A packet as aedes hands it to its store. */
interface AedesPacket extends ApplicationMessage {
  cmd?: string;
  brokerCounter?: number;
  messageId?: number | undefined;
}

type AedesWill = ApplicationMessage & { brokerId?: string; clientId?: string };

/** The clients that are connected. What aedes would do for one of them, its connection does: see connection-registry.ts. */
export interface Connected {
  /** The session of a connected client, clean or stored. */
  sessionOf(client: object): Session | undefined;
  /** The user of a connected client; null: nobody in particular. */
  userOf(client: object): string | null;
  holdsId(clientId: string): boolean;
  sessionEnded(session: Session): void;
  unsubscribe(client: object, topicFilters: string[]): void;
  acknowledged(client: object, owed: QueuedMessage): void;
}

/**
 * Stands for the subscriptions of a stored session that has none: aedes takes "no subscriptions" for "no session"
 * and answers session present 0, against [MQTT-3.2.2-2]. It is never subscribed: see `isNoSubscription`.
 */
const NO_SUBSCRIPTION: StoredSubscription = { topic: "$no-subscription", qos: 0 };

export const isNoSubscription = (subscription: object): boolean => subscription === NO_SUBSCRIPTION;

/** Our store as aedes' persistence (aedes-persistence 10): each method is a question or a change of aedes'. */
export class Persistence {
  broker = { id: "" };
  readonly #store: Store;
  readonly #connected: Connected;

  constructor(store: Store, connected: Connected) {
    this.#store = store;
    this.#connected = connected;
  }

  async setup(broker: { id: string }): Promise<void> {
    this.broker = broker;
  }

  async destroy(): Promise<void> {}

  async storeRetained(packet: ApplicationMessage): Promise<void> {
    this.#store.retain({ ...packet });
  }

  createRetainedStream(topicFilter: string): Readable {
    return this.createRetainedStreamCombi([topicFilter]);
  }

  createRetainedStreamCombi(topicFilters: string[]): Readable {
    return Readable.from(this.#store.retainedFor(topicFilters));
  }

  /** A connected client is subscribed when that is authorized, so that a refused filter beside it is not. */
  async addSubscriptions(client: ClientRef, subscriptions: StoredSubscription[]): Promise<void> {
    if (this.#connected.sessionOf(client)) return;
    const session = this.#store.openStored(client.id);
    for (const subscription of subscriptions) this.#store.subscribe(session, { ...subscription });
    await durable(this.#store);
  }

  /** At once, so that a SUBSCRIBE right behind it does not come first. */
  async removeSubscriptions(client: ClientRef, topicFilters: string[]): Promise<void> {
    const session = this.#store.stored(client.id);
    if (this.#connected.sessionOf(client)) this.#connected.unsubscribe(client, topicFilters);
    else if (session) for (const topicFilter of topicFilters) this.#store.unsubscribe(session, topicFilter);
    await durable(this.#store);
  }

  async subscriptionsByClient({ id }: ClientRef): Promise<StoredSubscription[]> {
    const session = this.#store.stored(id);
    if (session?.established && session.subscriptions.size === 0) return [NO_SUBSCRIPTION];
    return [...(session?.subscriptions.values() ?? [])];
  }

  async subscriptionsByTopic(topicName: string): Promise<(StoredSubscription & { clientId: string })[]> {
    const found: (StoredSubscription & { clientId: string })[] = [];
    this.#store.match(topicName, ({ clientId }, subscription) => {
      if (subscription.qos > 0) found.push({ ...subscription, clientId });
    });
    return found;
  }

  /** A CONNECT with clean session 1 ends the stored session, its queue included [MQTT-3.1.2-6]. */
  async cleanSubscriptions({ id }: ClientRef): Promise<void> {
    const session = this.#store.stored(id);
    if (!session) return;
    this.#store.end(session);
    if (session.established) this.#connected.sessionEnded(session);
    await durable(this.#store);
  }

  async countOffline(): Promise<{ subsCount: number; clientsCount: number }> {
    const sessions = [...this.#store.storedSessions()].map(({ subscriptions }) => [
      ...subscriptions.values(),
    ]);
    return {
      subsCount: sessions.flat().filter(({ qos }) => qos > 0).length,
      clientsCount: sessions.filter(({ length }) => length > 0).length,
    };
  }

  getClientList(topicFilter: string): Readable {
    const sessions = [...this.#store.storedSessions()];
    const subscribed = sessions.filter(({ subscriptions }) => subscriptions.has(topicFilter));
    return Readable.from(subscribed.map(({ clientId }) => clientId));
  }

  async outgoingEnqueue({ clientId }: { clientId: string }, packet: AedesPacket): Promise<void> {
    const { topic, payload, qos, retain, brokerCounter = 0 } = packet;
    if (qos === 0) return;
    const session = this.#store.openStored(clientId);
    const message = { topic, payload, qos, retain };
    await new Promise<void>(resolve =>
      this.#store.enqueue(session, message, qos, retain, resolve, brokerCounter),
    );
  }

  async outgoingEnqueueCombi(subscriptions: { clientId: string }[], packet: AedesPacket): Promise<void> {
    for (const subscription of subscriptions) await this.outgoingEnqueue(subscription, packet);
  }

  async outgoingUpdate(client: ClientRef, { cmd, brokerCounter = 0, messageId }: AedesPacket): Promise<void> {
    const session = this.#sessionOf(client);
    if (!session || messageId === undefined) throw new Error("no such packet");
    if (cmd === "pubrel") {
      this.#store.released(session, messageId);
      return durable(this.#store);
    }
    const owed = session.queue.get(brokerCounter);
    if (!owed) throw new Error("no such packet");
    session.queue.assignPacketId(owed, messageId);
    await new Promise<void>(resolve => this.#store.recordPacketIds(session, [owed], resolve));
  }

  async outgoingClearMessageId(client: ClientRef, { messageId }: { messageId?: number }): Promise<unknown> {
    const session = this.#sessionOf(client);
    const owed = session && messageId !== undefined ? this.#store.acknowledged(session, messageId) : null;
    if (!owed) return undefined;
    this.#connected.acknowledged(client, owed);
    return this.#packetOf(owed);
  }

  /** To a connected client, sender.ts sends it. */
  outgoingStream(client: ClientRef): Readable {
    if (this.#connected.sessionOf(client)) return Readable.from([]);
    const owed = [...(this.#store.stored(client.id)?.queue.values() ?? [])];
    return Readable.from(owed.map(each => this.#packetOf(each)));
  }

  async incomingStorePacket(client: ClientRef, { messageId = 0 }: { messageId?: number }): Promise<void> {
    const session = this.#sessionOf(client) ?? this.#store.openStored(client.id);
    this.#store.recordInboundQos2({ session, packetId: messageId });
    await durable(this.#store);
  }

  async incomingGetPacket(client: ClientRef, { messageId = 0 }: { messageId?: number }) {
    if (!this.#sessionOf(client)?.inboundQos2.has(messageId)) throw new Error("no such packet");
    return { messageId };
  }

  async incomingDelPacket(client: ClientRef, { messageId = 0 }: { messageId?: number }): Promise<void> {
    const session = this.#sessionOf(client);
    if (!session || !this.#store.releaseInboundQos2({ session, packetId: messageId }))
      throw new Error("no such packet");
    await durable(this.#store);
  }

  async cleanIncoming(client: ClientRef): Promise<void> {
    const session = this.#sessionOf(client);
    if (!session) return;
    for (const packetId of session.inboundQos2) this.#store.releaseInboundQos2({ session, packetId });
  }

  async putWill(client: ClientRef, will: AedesWill): Promise<void> {
    const { id } = client;
    const stored = Object.assign(will, { brokerId: this.broker.id, clientId: id });
    this.#store.setWill(id, stored, this.#connected.userOf(client));
    await durable(this.#store);
  }

  async getWill({ id }: ClientRef): Promise<ApplicationMessage | undefined> {
    return this.#store.will(id);
  }

  /** What a connected client has left is its connection's affair: aedes' deletion may be meant for an older one. */
  async delWill({ id }: ClientRef): Promise<ApplicationMessage | undefined> {
    if (this.#connected.holdsId(id)) return undefined;
    const will = this.#store.will(id);
    this.#store.clearWill(id);
    return will;
  }

  streamWill(brokers: Record<string, unknown> = {}): Readable {
    const wills = Array.from(this.#store.wills(), ([, will]) => will as AedesWill);
    return Readable.from(wills.filter(({ brokerId = "" }) => !brokers[brokerId]));
  }

  #sessionOf(client: ClientRef): Session | undefined {
    return this.#connected.sessionOf(client) ?? this.#store.stored(client.id);
  }

  #packetOf({ identity, message, qos, retain, packetId, released }: QueuedMessage) {
    if (released) return { cmd: "pubrel", messageId: packetId };
    return {
      cmd: "publish",
      brokerId: this.broker.id,
      brokerCounter: identity,
      topic: message.topic,
      payload: message.payload,
      qos,
      retain,
      dup: false,
      messageId: packetId ?? undefined,
    };
  }
}
