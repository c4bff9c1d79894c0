import { BROKER_PACKETS, BROKER_PACKETS_5, CONNACK, PUBLISH } from "../protocol/broker-packets.js";
import { countLengthBytes, MAX_LENGTH_BYTES, readRemainingLength } from "../protocol/remaining-length.js";
import { topicBytesProblem } from "../protocol/topics.js";
import { BROKEN_MQTT } from "./failure-diagnosis.js";

/** mqtt.js shifts packets from an array: 32 000 PINGRESPs took 30 µs each. */
const MOST_AT_ONCE = 256;

/** A packet that MQTT forbids: the connection must end [MQTT-4.8.0-1]. */
export class ProtocolError extends Error {
  readonly code = BROKEN_MQTT;
}

export interface OversizedPublish {
  topic: string;
  qos: number;
  /** Null at QoS 0. */
  packetId: number | null;
  /** Of the whole packet. */
  bytes: number;
}

/**
 * Cuts received bytes into packets before mqtt.js: passes complete packets, skips packets that are too large, and
 * refuses packets that MQTT forbids and mqtt.js accepts.
 */
export class PacketFramer {
  /** The beginning of an incomplete packet. */
  #begun = Buffer.alloc(0);
  #filled = 0;
  /** Bytes of it that must arrive before the next look. */
  #needed = 0;
  /** Bytes of an oversized packet that are still to be skipped. */
  #unwanted = 0;
  #accepted = false;
  // The last fixed header:
  #type = 0;
  #flags = 0;
  #bodyAt = 0;
  #length = 0;

  /**
   * @param settings the limit is in bytes of a packet @param pass receives complete packets @param tooLarge called
   * for each larger PUBLISH
   */
  constructor(
    private readonly settings: { limit: number; isMqtt5: boolean },
    private readonly pass: (packets: Buffer) => void,
    private readonly tooLarge: (publish: OversizedPublish) => void,
  ) {}

  /** Takes the next bytes. @throws ProtocolError after the packets before it are passed on */
  take(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#unwanted > 0) {
        const end = Math.min(bytes.length, at + this.#unwanted);
        this.#unwanted -= end - at;
        at = end;
      } else if (this.#filled > 0) at = this.#fill(bytes, at);
      else at = this.#passWhole(bytes, at);
    }
  }

  /** Passes complete packets without a copy. Returns where it stopped. */
  #passWhole(bytes: Buffer, start: number): number {
    let at = start;
    try {
      for (let packets = 0; at < bytes.length && packets < MOST_AT_ONCE; packets++) {
        this.#needed = this.#look(bytes, at, bytes.length);
        if (at + this.#needed > bytes.length || this.#isTooLarge) break;
        at += this.#needed;
      }
    } finally {
      if (at > start) this.pass(bytes.subarray(start, at));
    }
    return at > start ? at : this.#fill(bytes, at);
  }

  /** Returns where it stopped. */
  #fill(bytes: Buffer, start: number): number {
    let at = start;
    while (this.#filled < this.#needed) {
      if (at === bytes.length) return at;
      this.#grow();
      const taken = bytes.copy(this.#begun, this.#filled, at, at + this.#needed - this.#filled);
      this.#filled += taken;
      at += taken;
      if (this.#filled === this.#needed) this.#needed = this.#look(this.#begun, 0, this.#filled);
    }
    const packet = this.#begun.subarray(0, this.#filled);
    this.#begun = Buffer.alloc(0);
    this.#filled = 0;
    if (this.#isTooLarge) this.#leaveOut(packet);
    else this.pass(packet);
    return at;
  }

  #grow(): void {
    if (this.#begun.length >= this.#needed) return;
    const larger = Buffer.allocUnsafe(this.#needed);
    this.#begun.copy(larger, 0, 0, this.#filled);
    this.#begun = larger;
  }

  get #isTooLarge(): boolean {
    return this.#bodyAt + this.#length > this.settings.limit;
  }

  /**
   * Reads the packet at that position. Returns the number of its bytes that are needed: all, or the beginning if it
   * is too large; more than available while its length is unknown.
   */
  #look(bytes: Buffer, at: number, end: number): number {
    const here = end - at;
    if (!this.#readHeader(bytes, at, end)) return here + 1;
    const { name, min, max } = this.#known();
    if (this.#length < min || this.#length > max)
      throw new ProtocolError(`a ${name} of ${this.#length} bytes behind its header`);
    if (this.#isTooLarge) {
      if (this.#type !== PUBLISH) throw new ProtocolError(`a ${name} of ${this.#length} bytes`);
      if (here < this.#bodyAt + 2) return this.#bodyAt + 2;
    } else if (here < this.#bodyAt + this.#length) return this.#bodyAt + this.#length;
    else if (this.#type === CONNACK) this.#accepted = true;
    return this.#type === PUBLISH ? this.#lookAtPublish(bytes, at, here) : this.#bodyAt + this.#length;
  }

  #readHeader(bytes: Buffer, at: number, end: number): boolean {
    const first = bytes[at] as number;
    this.#type = first >> 4;
    this.#flags = first & 0x0f;
    this.#known();
    const count = countLengthBytes(bytes, at + 1, end);
    if (count > MAX_LENGTH_BYTES) throw new ProtocolError("a remaining length of over 4 bytes (2.2.3)");
    this.#length = readRemainingLength(bytes, at + 1, count);
    this.#bodyAt = 1 + count;
    return count > 0;
  }

  #known() {
    const known = (this.settings.isMqtt5 ? BROKER_PACKETS_5 : BROKER_PACKETS)[this.#type];
    if (!known) throw new ProtocolError(`a packet of type ${this.#type}, which brokers do not send`);
    if (!this.#accepted && this.#type !== CONNACK)
      throw new ProtocolError(`${known.name} before CONNACK [MQTT-3.2.0-1]`);
    if (this.#accepted && this.#type === CONNACK) throw new ProtocolError("a second CONNACK (3.2)");
    return known;
  }

  #lookAtPublish(bytes: Buffer, at: number, here: number): number {
    const qos = (this.#flags >> 1) & 3;
    if (qos === 3) throw new ProtocolError("a PUBLISH with QoS 3 [MQTT-3.3.1-4]");
    const topicAt = at + this.#bodyAt + 2;
    const topicEnd = topicAt + bytes.readUInt16BE(topicAt - 2);
    const headEnd = topicEnd + (qos > 0 ? 2 : 0);
    const head = headEnd - at;
    if (head > this.#bodyAt + this.#length)
      throw new ProtocolError("a PUBLISH that ends in the middle of its topic");
    if (here < head) return head;
    const problem = topicBytesProblem(bytes, topicAt, topicEnd);
    if (problem !== null) throw new ProtocolError(problem);
    if (qos > 0 && bytes.readUInt16BE(topicEnd) === 0)
      throw new ProtocolError("a PUBLISH with packet identifier 0 [MQTT-2.3.1-1]");
    return this.#isTooLarge ? head : this.#bodyAt + this.#length;
  }

  #leaveOut(head: Buffer): void {
    const qos = (this.#flags >> 1) & 3;
    const topicAt = this.#bodyAt + 2;
    const topicEnd = topicAt + head.readUInt16BE(this.#bodyAt);
    const bytes = this.#bodyAt + this.#length;
    this.#unwanted = bytes - head.length;
    this.tooLarge({
      topic: head.toString("utf8", topicAt, topicEnd),
      qos,
      packetId: qos > 0 ? head.readUInt16BE(topicEnd) : null,
      bytes,
    });
  }
}
