import type { Packet } from "mqtt";
import { parseObject, readingId } from "../domain/sensor-reading.js";
import type { Outbox, OutboxMessage } from "../outbox/outbox.js";
import { InFlightStore } from "./in-flight-store.js";
import { expectAcknowledgment, forgetAcknowledgment, sendWithoutStoring } from "./mqtt-internals.js";
import { MAX_INCOMPLETE_QOS2 } from "./packet-identifiers.js";
import type { Message, PublishParts } from "./publish-queue.js";
import { notAcknowledged } from "./connection-errors.js";

interface Publication {
  message: OutboxMessage;
  sent: () => void;
  /** The next packet of this message is on disk. */
  isSafe: boolean;
  /** Time of the first PUBLISH of this process, by performance.now(); null before it. */
  sentAt: number | null;
  reject: (error: Error) => void;
}

/**
 * Publishes from an outbox: each message when it is on disk, and on each new connection all that wait, in order.
 * mqtt.js would send one after the acknowledgment of the other.
 */
export class OutboxPublisher extends InFlightStore {
  /** By packet identifier, in the order in which they were published. */
  readonly #publications = new Map<number, Publication>();
  /** Identifies the current connection. */
  #connection: object | null = null;
  /** Not sent on the current connection, in order; null before CONNACK. */
  #unsent: Set<Publication> | null = null;
  /** Sent on the current connection and not acknowledged. */
  readonly #underWay = new Set<Publication>();
  /** At QoS 2, sent on the current connection and not complete. */
  readonly #incomplete = new Set<Publication>();

  constructor(
    private readonly outbox: Outbox,
    private readonly parts: PublishParts,
  ) {
    super();
    parts.flowControl.whenFree(() => this.#sendMore());
  }

  /** Publishes the messages of an earlier process. @param sent called for each that is sent */
  resume(sent: () => void): Promise<void>[] {
    return Array.from(this.outbox.waiting.values(), message => this.#expect(message, sent, true));
  }

  /** Resolves when the message is acknowledged. @throws the outbox's error if it cannot store the message */
  publish({ topic, payload, qos, retain = false, sent = () => {} }: Message): Promise<void> {
    const packetId = this.parts.identifiers.allocate() ?? 0; // an outbox is full before these run out
    const message: OutboxMessage = {
      packetId,
      topic,
      payload: Buffer.from(payload),
      qos: qos === 2 ? 2 : 1,
      retain,
      dup: false,
      released: false,
    };
    const acknowledged = this.#expect(message, sent, false);
    this.outbox.store(message, error => (error ? this.#giveUp(message, error) : this.#isSafe(message)));
    return acknowledged;
  }

  opened(sessionPresent: boolean): void {
    const connection = {};
    this.#connection = connection;
    const resume = () => {
      if (this.#connection !== connection) return;
      this.#unsent = new Set(this.#publications.values());
      this.#sendMore();
    };
    if (sessionPresent) resume();
    else this.outbox.restart(resume);
  }

  closed(): void {
    this.#connection = null;
    this.#unsent = null;
    this.parts.flowControl.giveBack(this.#underWay.size);
    this.#underWay.clear();
    this.#incomplete.clear();
  }

  /** Stops sending. Waiting messages stay in the outbox. */
  forget(): void {
    this.closed();
    for (const { message } of this.#publications.values())
      this.#giveUp(message, notAcknowledged(message.topic));
  }

  /** mqtt.js stores PUBREL before it sends it. */
  override put(packet: Packet, done: () => void): this {
    const publication = packet.cmd === "pubrel" && this.#publications.get(packet.messageId ?? 0);
    if (!publication) return super.put(packet, done);
    publication.isSafe = false;
    this.outbox.release(publication.message.packetId, () => this.#isSafe(publication.message));
    return this;
  }

  /** mqtt.js calls this first at PUBACK and PUBCOMP. */
  override del(packet: Pick<Packet, "messageId">, done: () => void): this {
    const packetId = packet.messageId ?? 0;
    const publication = this.#publications.get(packetId);
    if (!publication) return super.del(packet, done);
    const wasUnderWay = this.#remove(publication);
    this.outbox.acknowledge(packetId);
    done();
    if (wasUnderWay) this.parts.flowControl.release();
    return this;
  }

  #expect(message: OutboxMessage, sent: () => void, isSafe: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const publication = { message, sent, isSafe, sentAt: null, reject };
      this.#publications.set(message.packetId, publication);
      this.#unsent?.add(publication);
      // An error is a reason code of MQTT 5: the message must not be sent again [MQTT-4.4.0-2].
      const onAcknowledged = (error?: Error | null, answer?: unknown) => {
        const said = error ? this.parts.readReason(error, answer) : null;
        if (said) reject(this.parts.flowControl.refused(message.topic, said));
        else resolve(this.#tellAcknowledged(publication));
      };
      expectAcknowledgment(this.parts.client(), message.packetId, onAcknowledged);
    });
  }

  #giveUp({ packetId }: OutboxMessage, error: Error): void {
    const publication = this.#publications.get(packetId);
    if (!publication) return;
    this.#remove(publication);
    forgetAcknowledgment(this.parts.client(), packetId);
    publication.reject(error);
  }

  /** Returns whether the message was sent on the current connection. */
  #remove(publication: Publication): boolean {
    this.#publications.delete(publication.message.packetId);
    this.#unsent?.delete(publication);
    this.#incomplete.delete(publication);
    return this.#underWay.delete(publication);
  }

  #isSafe(message: OutboxMessage): void {
    const publication = this.#publications.get(message.packetId);
    if (publication?.message !== message) return; // the connection is over for good
    publication.isSafe = true;
    if (!this.#unsent && publication.sentAt === null) this.#tellKept(message);
    if (this.#incomplete.has(publication)) this.#send(publication);
    else this.#sendMore();
  }

  #tellKept({ topic, payload: bytes, qos }: OutboxMessage): void {
    const payload = bytes.toString();
    const { run, seq } = readingId(parseObject(payload));
    this.parts.sink({ event: "outbox-stored", topic, payload, qos, run, seq });
  }

  #sendMore(): void {
    for (const publication of this.#unsent ?? []) {
      if (!publication.isSafe || this.#incomplete.size >= MAX_INCOMPLETE_QOS2) return;
      if (!this.parts.flowControl.takesQos(1)) return; // it would never be acknowledged
      if (!this.#fits(publication)) continue;
      if (!this.parts.flowControl.take()) return;
      this.#unsent?.delete(publication);
      this.#underWay.add(publication);
      if (publication.message.qos === 2) this.#incomplete.add(publication);
      this.#send(publication);
    }
  }

  /** Leaves a message that is too large for this broker in the outbox. */
  #fits({ message }: Publication): boolean {
    try {
      if (!message.released) this.parts.flowControl.fit(message);
      return true;
    } catch (error) {
      this.#giveUp(message, error as Error);
      return false;
    }
  }

  #send(publication: Publication): void {
    const { message, sentAt } = publication;
    const { packetId: messageId, topic, payload, dup, released } = message;
    const { qos, retain } = released ? message : this.parts.flowControl.fit(message);
    const send = (packet: Packet) => sendWithoutStoring(this.parts.client(), packet);
    if (released) send({ cmd: "pubrel", messageId });
    else send({ cmd: "publish", topic, payload, qos, retain, messageId, dup });
    publication.sentAt = sentAt ?? performance.now();
    if (sentAt === null) this.#tellSent(publication);
    message.dup = true;
  }

  /** Reports the first PUBLISH by this process. */
  #tellSent({ message, sent }: Publication): void {
    sent();
    const { packetId, topic, dup, released } = message;
    if (released) return; // an earlier one has published it
    const { qos, retain } = this.parts.flowControl.fit(message);
    const payload = message.payload.toString();
    const { run, seq } = readingId(parseObject(payload));
    this.parts.sink({ event: "published", topic, payload, qos, retain, dup, packetId, run, seq });
  }

  async #tellAcknowledged({ message: { packetId, topic, payload }, sentAt }: Publication): Promise<void> {
    const { run, seq } = readingId(parseObject(payload.toString()));
    const milliseconds = Math.round((performance.now() - (sentAt ?? 0)) * 100) / 100;
    await this.parts.sink({ event: "acknowledged", packetId, topic, run, seq, milliseconds });
  }
}
