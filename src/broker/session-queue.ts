import type { QoS } from "../events.js";

/** A message as aedes hands it to its store: `brokerCounter` is its number at this broker. */
export interface StoredMessage {
  cmd: "publish";
  brokerId: string;
  brokerCounter: number;
  topic: string;
  payload: Buffer | string;
  qos: QoS;
  retain: boolean;
  dup: boolean;
  /** Undefined until it has been sent for the first time. */
  messageId: number | undefined;
}

/** What is left of a QoS 2 message once its PUBREC has come. */
export interface StoredPubrel {
  cmd: "pubrel";
  messageId: number;
}

export type Owed = StoredMessage | StoredPubrel;

interface Entry {
  owed: Owed;
  /** The connection that sends it or has sent it: no one else on that connection may. */
  claimant: object | null;
}

/** What the broker still owes one stored session, QoS 1 and 2, in the order in which it is to be sent. */
export class SessionQueue {
  readonly #entries = new Map<number, Entry>();
  /** From packet identifier to the entry's place. */
  readonly #places = new Map<number, number>();

  get length(): number {
    return this.#entries.size;
  }

  /**
   * Queues a message for a subscription with that QoS. Several that match are one message at the highest of them
   * [MQTT-3.3.5-1]; its retain flag is 0, since the subscriptions were there before it [MQTT-3.3.1-9].
   * @returns false when another subscription of the session had queued it already
   */
  add(message: StoredMessage, subscriptionQos: QoS): boolean {
    const qos = Math.min(message.qos, subscriptionQos) as QoS;
    const known = this.#entries.get(message.brokerCounter)?.owed;
    if (known?.cmd === "publish") {
      known.qos = Math.max(known.qos, qos) as QoS;
      return false;
    }
    const { cmd, brokerId, brokerCounter, topic, payload } = message;
    const owed: StoredMessage = {
      cmd,
      brokerId,
      brokerCounter,
      topic,
      payload,
      qos,
      retain: false,
      dup: false,
      messageId: undefined,
    };
    this.#entries.set(brokerCounter, { owed, claimant: null });
    return true;
  }

  /** Takes a message to send it on that connection: null when it is not owed, or claimed there already. */
  claim(brokerCounter: number, claimant: object): StoredMessage | null {
    const entry = this.#entries.get(brokerCounter);
    if (entry?.owed.cmd !== "publish" || entry.claimant === claimant) return null;
    entry.claimant = claimant;
    return entry.owed;
  }

  has(brokerCounter: number): boolean {
    return this.#entries.has(brokerCounter);
  }

  /** Takes everything, to send it on that connection: with DUP where it was sent before [MQTT-3.3.1-1]. */
  claimAll(claimant: object): Owed[] {
    return Array.from(this.#entries.values(), entry => {
      entry.claimant = claimant;
      const { owed } = entry;
      return owed.cmd === "publish" ? { ...owed, dup: owed.messageId !== undefined } : owed;
    });
  }

  /** Remembers the packet identifier under which a message is sent now; null when it is not owed. */
  sent(brokerCounter: number, messageId: number): StoredMessage | null {
    const owed = this.#entries.get(brokerCounter)?.owed;
    if (owed?.cmd !== "publish") return null;
    owed.messageId = messageId;
    this.#places.set(messageId, brokerCounter);
    return owed;
  }

  /**
   * PUBREC has come: from here on only PUBREL is owed, in the message's place. An identifier that is not known here
   * is one too: aedes sends retained messages for a new subscription past the queue.
   */
  received(messageId: number): void {
    const place = this.#places.get(messageId) ?? -messageId;
    this.#places.set(messageId, place);
    const claimant = this.#entries.get(place)?.claimant ?? null;
    this.#entries.set(place, { owed: { cmd: "pubrel", messageId }, claimant });
  }

  /** PUBACK or PUBCOMP has come: nothing is owed any more. */
  acknowledged(messageId: number): Owed | undefined {
    const place = this.#places.get(messageId);
    if (place === undefined) return undefined;
    const owed = this.#entries.get(place)?.owed;
    this.#places.delete(messageId);
    this.#entries.delete(place);
    return owed;
  }
}
