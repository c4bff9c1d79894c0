import type { Socket } from "node:net";
import type { QoS } from "../../src/events/events.js";
import { rawConnection, uint16 } from "./raw-connection.js";

/** A subscriber of few instructions, so that the broker is what is measured: counts messages, and acknowledges them. */
export class CountingSubscriber {
  readonly #socket: Socket;
  #unread: Buffer = Buffer.alloc(0);
  #count = 0;
  #wanted = Number.POSITIVE_INFINITY;
  #reached: () => void = () => {};
  #subscribed: () => void = () => {};

  private constructor(port: number, clientId: string) {
    this.#socket = rawConnection(port, clientId);
    this.#socket.on("data", data => this.#read(data)).on("error", () => {});
  }

  /** Kept when its subscription is acknowledged. */
  static async start(port: number, clientId: string, topic: string, qos: QoS): Promise<CountingSubscriber> {
    const subscriber = new CountingSubscriber(port, clientId);
    const filter = Buffer.from(topic);
    const rest = [0, 1, ...uint16(filter.length), ...filter, qos];
    subscriber.#socket.write(Buffer.from([0x82, rest.length, ...rest]));
    await new Promise<void>(resolve => (subscriber.#subscribed = resolve));
    return subscriber;
  }

  /** How many have come. */
  get count(): number {
    return this.#count;
  }

  /** Kept when so many have come. */
  reaches(count: number): Promise<void> {
    this.#wanted = count;
    return new Promise(resolve => {
      this.#reached = resolve;
      if (this.#count >= count) resolve();
    });
  }

  /** Reads no more. */
  pause(): void {
    this.#socket.pause();
  }

  end(): void {
    this.#socket.destroy();
  }

  #read(data: Buffer): void {
    let bytes = this.#unread.length > 0 ? Buffer.concat([this.#unread, data]) : data;
    const answers: number[] = [];
    for (let length = packetLength(bytes); length <= bytes.length; length = packetLength(bytes)) {
      this.#take(bytes.subarray(0, length), answers);
      bytes = bytes.subarray(length);
    }
    this.#unread = bytes;
    if (answers.length > 0) this.#socket.write(Buffer.from(answers));
    if (this.#count >= this.#wanted) this.#reached();
  }

  #take(packet: Buffer, answers: number[]): void {
    const first = packet[0] ?? 0;
    const type = first >> 4;
    if (type === 9) this.#subscribed();
    if (type === 6) answers.push(0x70, 2, packet[2] ?? 0, packet[3] ?? 0);
    if (type !== 3) return;
    this.#count += 1;
    const qos = (first >> 1) & 3;
    if (qos === 0) return;
    const topicAt = (packet[1] ?? 0) & 0x80 ? 3 : 2;
    const idAt = topicAt + 2 + packet.readUInt16BE(topicAt);
    answers.push(qos === 1 ? 0x40 : 0x50, 2, packet[idAt] ?? 0, packet[idAt + 1] ?? 0);
  }
}

/** Of the first packet in these bytes, which is shorter than 16 KiB here; more than there is where it is not all there. */
function packetLength(bytes: Buffer): number {
  if (bytes.length < 2) return Number.POSITIVE_INFINITY;
  const low = bytes[1] ?? 0;
  if (low < 0x80) return 2 + low;
  return bytes.length < 3 ? Number.POSITIVE_INFINITY : 3 + (low & 0x7f) + ((bytes[2] ?? 0) << 7);
}
