import { Readable } from "node:stream";
import type { Message } from "./message.js";
import type { Session, StoredSubscription } from "./session.js";
import type { Owed } from "./session-queue.js";
import type { Store } from "./store.js";

export interface ClientRef {
  id: string;
}

/** A packet as aedes hands it to its store. */
interface AedesPacket extends Message {
  cmd?: string;
  brokerCounter?: number;
  messageId?: number | undefined;
}

type AedesWill = Message & { brokerId?: string; clientId?: string };

/** Our store as aedes' persistence (aedes-persistence 10): each method is a question or a change of aedes'. */
export class Persistence {
  broker = { id: "" };
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async setup(broker: { id: string }): Promise<void> {
    this.broker = broker;
  }

  async destroy(): Promise<void> {}

  async storeRetained(packet: Message): Promise<void> {
    this.#store.retain({ ...packet });
  }

  createRetainedStream(topicFilter: string): Readable {
    return this.createRetainedStreamCombi([topicFilter]);
  }

  createRetainedStreamCombi(topicFilters: string[]): Readable {
    return Readable.from(this.#store.retainedFor(topicFilters));
  }

  async addSubscriptions({ id }: ClientRef, subscriptions: StoredSubscription[]): Promise<void> {
    const session = this.#store.openStored(id);
    for (const subscription of subscriptions) this.#store.subscribe(session, { ...subscription });
  }

  async removeSubscriptions({ id }: ClientRef, topicFilters: string[]): Promise<void> {
    const session = this.#store.stored(id);
    if (session) for (const topicFilter of topicFilters) this.#store.unsubscribe(session, topicFilter);
  }

  async subscriptionsByClient({ id }: ClientRef): Promise<StoredSubscription[]> {
    return [...(this.#store.stored(id)?.subscriptions.values() ?? [])];
  }

  async subscriptionsByTopic(topicName: string): Promise<(StoredSubscription & { clientId: string })[]> {
    const found: (StoredSubscription & { clientId: string })[] = [];
    this.#store.match(topicName, ({ clientId }, subscription) => {
      if (subscription.qos > 0) found.push({ ...subscription, clientId });
    });
    return found;
  }

  async cleanSubscriptions({ id }: ClientRef): Promise<void> {
    const session = this.#store.stored(id);
    if (session) this.#store.end(session);
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
    this.#store.openStored(clientId).queue.add(brokerCounter, { topic, payload, qos, retain }, qos, retain);
  }

  async outgoingEnqueueCombi(subscriptions: { clientId: string }[], packet: AedesPacket): Promise<void> {
    for (const subscription of subscriptions) await this.outgoingEnqueue(subscription, packet);
  }

  async outgoingUpdate(client: ClientRef, { cmd, brokerCounter = 0, messageId }: AedesPacket): Promise<void> {
    const queue = this.sessionOf(client)?.queue;
    if (messageId === undefined) throw new Error("no such packet");
    if (cmd === "pubrel") return void queue?.received(messageId);
    const owed = queue?.get(brokerCounter);
    if (!owed) throw new Error("no such packet");
    queue?.numberAs(owed, messageId);
  }

  async outgoingClearMessageId(client: ClientRef, { messageId }: { messageId?: number }): Promise<unknown> {
    const owed = messageId === undefined ? null : this.sessionOf(client)?.queue.acknowledged(messageId);
    return owed ? this.#packetOf(owed) : undefined;
  }

  outgoingStream({ id }: ClientRef): Readable {
    const owed = [...(this.#store.stored(id)?.queue.values() ?? [])];
    return Readable.from(owed.map(each => this.#packetOf(each)));
  }

  async incomingStorePacket({ id }: ClientRef, { messageId = 0 }: { messageId?: number }): Promise<void> {
    this.#store.openStored(id).received.add(messageId);
  }

  async incomingGetPacket(client: ClientRef, { messageId = 0 }: { messageId?: number }) {
    if (!this.sessionOf(client)?.received.has(messageId)) throw new Error("no such packet");
    return { messageId };
  }

  async incomingDelPacket(client: ClientRef, { messageId = 0 }: { messageId?: number }): Promise<void> {
    if (!this.sessionOf(client)?.received.delete(messageId)) throw new Error("no such packet");
  }

  async cleanIncoming(client: ClientRef): Promise<void> {
    this.sessionOf(client)?.received.clear();
  }

  async putWill({ id }: ClientRef, will: AedesWill): Promise<void> {
    this.#store.setWill(id, Object.assign(will, { brokerId: this.broker.id, clientId: id }));
  }

  async getWill({ id }: ClientRef): Promise<Message | undefined> {
    return this.#store.will(id);
  }

  async delWill({ id }: ClientRef): Promise<Message | undefined> {
    const will = this.#store.will(id);
    this.#store.clearWill(id);
    return will;
  }

  streamWill(brokers: Record<string, unknown> = {}): Readable {
    const wills = Array.from(this.#store.wills(), ([, will]) => will as AedesWill);
    return Readable.from(wills.filter(({ brokerId = "" }) => !brokers[brokerId]));
  }

  protected sessionOf({ id }: ClientRef): Session | undefined {
    return this.#store.stored(id);
  }

  #packetOf({ identity, message, qos, retain, packetId, released }: Owed) {
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
