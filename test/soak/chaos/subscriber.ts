import { type Packet, PacketType, readPublish } from "../../support/packets.js";
import { Client, type Scene, WILL_TOPIC } from "./client.js";
import { type Deliveries, delivered } from "./ledger.js";

/** The last message, for which all subscribers wait. */
export const MARKER = { topic: "chaos/marker", payload: "marker" };

export interface SubscriberKind {
  clientId: string;
  topicFilter: string;
  qos: 1 | 2;
  isRestless: boolean;
  /** How often a connection of it acknowledges nothing. */
  holds: number;
}

/** A stored session; at QoS 2 it takes a message when it comes first under a packet identifier [MQTT-4.3.3-2]. */
export class Subscriber extends Client {
  /** In performance.now()'s milliseconds. */
  lastCame = 0;
  hasMarker = false;
  isSubscribed = false;
  readonly #kind: SubscriberKind;
  readonly #deliveries: Deliveries | null;
  readonly #received = new Set<number>();
  #holds = false;

  constructor(scene: Scene, kind: SubscriberKind) {
    super(scene, kind.clientId, kind.isRestless, false);
    this.#kind = kind;
    this.#deliveries = kind.topicFilter === WILL_TOPIC ? null : scene.ledger.session(kind.clientId, kind.qos);
  }

  protected override connected(isNew: boolean): void {
    this.#holds = !this.isCalm && this.random.chance(this.#kind.holds);
    if (!isNew) return;
    this.#received.clear();
    this.subscribe(this.#kind.topicFilter, this.#kind.qos);
  }

  protected override take(taken: Packet): void {
    this.lastCame = performance.now();
    if (taken.type === PacketType.suback) this.isSubscribed = true;
    else if (taken.type === PacketType.publish) this.#publish(taken);
    else if (taken.type === PacketType.pubrel) this.#release(taken.body.readUInt16BE(0));
  }

  #publish(taken: Packet): void {
    const { topic, payload, qos, retain, packetId } = readPublish(taken);
    const isKnown = qos === 2 && packetId !== null && this.#received.has(packetId);
    if (!isKnown && !retain) this.#came(topic, payload); // a copy of what is retained is no delivery
    if (packetId === null) return;
    if (qos === 2) this.#received.add(packetId);
    if (!this.#holds) this.answer(qos === 1 ? PacketType.puback : PacketType.pubrec, packetId);
  }

  #release(packetId: number): void {
    this.#received.delete(packetId);
    if (!this.#holds) this.answer(PacketType.pubcomp, packetId);
  }

  #came(topic: string, payload: string): void {
    if (topic === MARKER.topic) this.hasMarker = true;
    else if (this.#deliveries) delivered(this.#deliveries, payload);
    else this.scene.ledger.will(payload).out += 1;
  }
}
