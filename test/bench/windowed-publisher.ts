import type { Socket } from "node:net";
import { rawConnection, uint16 } from "./raw-connection.js";

/** CONNACK, PUBACK and PINGRESP are this long or shorter; only the first two come here. */
const ANSWER_BYTES = 4;
const PUBACK = 0x40;
const PACKET_IDS = 65_535;

/** Duration of publishing, in milliseconds. */
export interface Published {
  all: number;
  /** From PUBLISH to PUBACK, of each message, ascending. */
  acknowledged: number[];
}

/** Publishes at QoS 1 with so many in flight, a topic after the other, with few instructions of its own. */
export class WindowedPublisher {
  readonly #socket: Socket;
  readonly #packets: Buffer[];
  readonly #count: number;
  readonly #window: number;
  readonly #sentAt: number[] = [];
  readonly #taken: number[] = [];
  #unread: Buffer = Buffer.alloc(0);
  #resolve: () => void = () => {};

  private constructor(port: number, topics: string[], count: number, window: number, clientId: string) {
    this.#socket = rawConnection(port, clientId);
    this.#packets = topics.map(publishPacket);
    this.#count = count;
    this.#window = window;
  }

  static async publish(
    port: number,
    topics: string[],
    count: number,
    window: number,
    clientId = "Windowed",
  ): Promise<Published> {
    const publisher = new WindowedPublisher(port, topics, count, window, clientId);
    await publisher.#run();
    const all = performance.now() - (publisher.#sentAt[0] ?? 0);
    return { all, acknowledged: publisher.#taken.toSorted((a, b) => a - b) };
  }

  async #run(): Promise<void> {
    const socket = this.#socket;
    await new Promise<void>((resolve, reject) => {
      this.#resolve = resolve;
      socket.on("data", data => this.#read(data)).on("error", reject);
      socket.on("close", () => reject(new Error("the broker has closed the connection")));
    });
    socket.removeAllListeners("close").destroy();
  }

  #read(data: Buffer): void {
    const bytes = this.#unread.length > 0 ? Buffer.concat([this.#unread, data]) : data;
    const now = performance.now();
    let at = 0;
    for (; at + ANSWER_BYTES <= bytes.length; at += ANSWER_BYTES)
      if (bytes[at] === PUBACK) this.#taken.push(now - (this.#sentAt[this.#taken.length] ?? 0));
    this.#unread = bytes.subarray(at);
    if (this.#taken.length === this.#count) this.#resolve();
    else this.#send();
  }

  #send(): void {
    const packets: Buffer[] = [];
    const now = performance.now();
    for (let i = this.#sentAt.length; i < this.#count && i - this.#taken.length < this.#window; i++) {
      packets.push(numbered(this.#packets[i % this.#packets.length] as Buffer, (i % PACKET_IDS) + 1));
      this.#sentAt.push(now);
    }
    if (packets.length > 0) this.#socket.write(Buffer.concat(packets));
  }
}

/** With a payload of 100 bytes, and a topic of less than 24. */
function publishPacket(topic: string): Buffer {
  const rest = [...uint16(topic.length), ...Buffer.from(topic), 0, 0, ...Buffer.alloc(100, "x")];
  return Buffer.from([0x32, rest.length, ...rest]);
}

function numbered(packet: Buffer, packetId: number): Buffer {
  const copy = Buffer.from(packet);
  copy.writeUInt16BE(packetId, 4 + copy.readUInt16BE(2));
  return copy;
}
