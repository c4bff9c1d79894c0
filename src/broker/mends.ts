/**
 * What aedes 1.2.0 gets wrong and this project's lessons rest on. Each mend names its clause and has its test in
 * test/broker.test.ts; when aedes is upgraded, drop those whose test passes without them.
 */
import type { Subscription } from "aedes";
import { Readable } from "node:stream";
import {
  type AedesBroker,
  type AedesClient,
  type AedesPersistence,
  type Deliver,
  type LiveMessage,
  nextPacketId,
  setNextPacketId,
} from "./aedes-parts.js";
import type { QoS } from "../events.js";
import type { Session, Sessions } from "./sessions.js";

/** What the mended store has to tell. */
export interface StoreWitness {
  queued(clientId: string, topic: string, queued: number): void;
  sessionEnded(clientId: string, queued: number): void;
}

/**
 * Stands for the subscriptions of a stored session that has none: aedes takes "no subscriptions" for "no session"
 * and answers session present 0, against [MQTT-3.2.2-2]. It is never subscribed: see `isNoSubscription`.
 */
const NO_SUBSCRIPTION: Subscription = { topic: "$no-subscription", qos: 0 };

export const isNoSubscription = (subscription: Subscription): boolean => subscription === NO_SUBSCRIPTION;

/** Puts our queues behind aedes' store, and lets the witness know what the store did. */
export function mendStore(broker: AedesBroker, sessions: Sessions, witness: StoreWitness): void {
  const { persistence } = broker;
  const mended: Partial<AedesPersistence> = {
    ...queueMends(sessions, witness),
    ...sessionMends(persistence, sessions, witness),
    // For brokers that share a store, aedes now and then publishes what looks like a dead one's wills. Here there is
    // one broker, and after a laptop's sleep the dead one would be itself: a will comes when its connection ends.
    streamWill: () => Readable.from([]),
  };
  Object.assign(persistence, mended);
}

/** aedes' queues know no DUP [MQTT-3.3.1-1], keep the retain flag [MQTT-3.3.1-9] and confuse QoS 2 releases. */
const queueMends = (sessions: Sessions, witness: StoreWitness) =>
  ({
    async outgoingEnqueueCombi(subscriptions, message) {
      for (const { clientId, qos } of subscriptions) {
        const queue = sessions.get(clientId)?.queue;
        if (queue?.add(message, qos)) witness.queued(clientId, message.topic, queue.length);
      }
    },
    // Called just before `packet` is written. What a closed connection no longer gets was not sent.
    async outgoingUpdate(client, packet) {
      const queue = sessions.get(client.id)?.queue;
      if (!queue || client.closed) return;
      if (packet.cmd === "pubrel") return queue.received(packet.messageId);
      const owed = packet.messageId && queue.sent(packet.brokerCounter, packet.messageId);
      // aedes cuts to the QoS of a filter that is the topic itself, even where a wildcard has more [MQTT-3.3.5-1].
      if (owed) packet.qos = owed.qos;
    },
    async outgoingClearMessageId({ id }, { messageId }) {
      return messageId === undefined ? undefined : sessions.get(id)?.queue.acknowledged(messageId);
    },
    outgoingStream: client => Readable.from(sessions.get(client.id)?.queue.claimAll(client) ?? []),
  }) satisfies Partial<AedesPersistence>;

const sessionMends = (stock: AedesPersistence, sessions: Sessions, witness: StoreWitness) => {
  const subscriptionsByClient = stock.subscriptionsByClient.bind(stock);
  const cleanSubscriptions = stock.cleanSubscriptions.bind(stock);
  return {
    async subscriptionsByClient(client) {
      const subscriptions = await subscriptionsByClient(client);
      const stored = sessions.get(client.id)?.established;
      return stored && subscriptions.length === 0 ? [NO_SUBSCRIPTION] : subscriptions;
    },
    // A CONNECT with clean session 1 ends the stored session, its queue included [MQTT-3.1.2-6].
    async cleanSubscriptions(client) {
      const ended = sessions.end(client.id);
      await cleanSubscriptions(client);
      if (ended) witness.sessionEnded(client.id, ended.queue.length);
    },
  } satisfies Partial<AedesPersistence>;
};

/** aedes drops a message whose number is below the last one's, live ones too; `LiveDelivery` knows better. */
const FORGETFUL: Record<string, number> = new Proxy({}, { set: () => true });

/**
 * Live messages of one connection. Until the session's queue is out they are held back, or they would overtake it
 * [MQTT-4.6.0-6]; and one that comes from the queue is not delivered live as well.
 */
export class LiveDelivery {
  readonly #client: AedesClient;
  readonly #session: Session | null;
  readonly #stock: { deliver0: Deliver; deliverQoS: Deliver };
  #held: (() => void)[] | null = [];
  #lastCounter: number | null = null;

  /** @param session null for a clean session */
  constructor(client: AedesClient, session: Session | null) {
    this.#client = client;
    this.#session = session;
    this.#stock = { deliver0: client.deliver0, deliverQoS: client.deliverQoS };
    client.duplicates = FORGETFUL;
    client.deliver0 = (message, done) => this.#deliver(message, done, 0);
    client.deliverQoS = (message, done) => this.#deliver(message, done, message.qos);
    if (session?.nextPacketId) setNextPacketId(client, session.nextPacketId);
  }

  /** The queue is out: what came meanwhile goes now, in its order. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const send of held) send();
  }

  /** The connection has ended. */
  end(): void {
    this.#held = [];
    if (this.#session) this.#session.nextPacketId = nextPacketId(this.#client);
  }

  #deliver(message: LiveMessage, done: () => void, subscribedQos: QoS): void {
    if (this.#held) {
      // Decided when the queue is out: it may have taken the message along by then.
      const qos = this.#isQueued(message) ? message.qos : subscribedQos;
      this.#held.push(() => this.#deliver(message, () => {}, qos));
    } else {
      const deliver = this.#deliveryOf(message, subscribedQos);
      if (deliver) return deliver(message, done);
    }
    // At once, also for what is held: aedes takes up only so many messages that are not done.
    setImmediate(done);
  }

  #isQueued({ brokerId, brokerCounter }: LiveMessage): boolean {
    return brokerId !== null && this.#session?.queue.has(brokerCounter) === true;
  }

  /** How the message is to be delivered, or null for not at all. */
  #deliveryOf(message: LiveMessage, subscribedQos: QoS): Deliver | null {
    const asked = subscribedQos === 0 ? this.#stock.deliver0 : this.#stock.deliverQoS;
    if (message.brokerId === null) return asked;
    if (this.#session && message.qos > 0) {
      const owed = this.#session.queue.claim(message.brokerCounter, this.#client);
      if (owed) message.qos = owed.qos;
      if (owed) return this.#stock.deliverQoS;
      if (subscribedQos > 0 || this.#session.queue.has(message.brokerCounter)) return null;
    }
    return this.#isRepeated(message) ? null : asked;
  }

  /** Overlapping subscriptions get a message in one go, one after the other; once is enough. */
  #isRepeated({ brokerCounter }: LiveMessage): boolean {
    const repeated = brokerCounter === this.#lastCounter;
    this.#lastCounter = brokerCounter;
    return repeated;
  }
}
