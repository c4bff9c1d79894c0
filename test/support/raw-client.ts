import { createConnection, type Socket } from "node:net";
import type { QoS, Will } from "../../src/events/events.js";
import type { Owner } from "./processes.js";

/** Milliseconds after which something awaited is missing. */
const DEADLINE = 30_000;

/** What has been seen so far, and may be waited for. */
export class Seen<Item> {
  readonly items: Item[] = [];
  readonly #looks = new Set<() => void>();

  push(item: Item): void {
    this.items.push(item);
    for (const look of this.#looks) look();
  }

  /** What `find` gives, as soon as it gives something; fails with everything that was seen instead. */
  until<Found>(what: string, find: (items: Item[]) => Found | undefined): Promise<Found> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = find(this.items);
        if (found === undefined) return;
        clearTimeout(timer);
        this.#looks.delete(look);
        resolve(found);
      };
      const timer = setTimeout(() => {
        this.#looks.delete(look);
        const seen = this.items.map(item => JSON.stringify(item)).join("\n");
        reject(new Error(`${what}: not within ${DEADLINE} ms; there came\n${seen}`));
      }, DEADLINE);
      this.#looks.add(look);
      look();
    });
  }
}

export const PacketType = {
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  suback: 9,
  unsuback: 11,
  pingresp: 13,
} as const;

export const DISCONNECT = Buffer.from([0xe0, 0]);
export const PINGREQ = Buffer.from([0xc0, 0]);

export interface Packet {
  type: number;
  flags: number;
  body: Buffer;
}

export interface Publish {
  topic: string;
  payload: string;
  qos: QoS;
  retain: boolean;
  dup: boolean;
  packetId: number | null;
}

export interface ConnectOptions extends Holds {
  clientId: string;
  /** True unless told otherwise. */
  clean?: boolean;
  keepAlive?: number;
  will?: Will;
  userName?: string;
  password?: string;
  /** 4 is MQTT 3.1.1. */
  protocolLevel?: number;
}

/** What a client leaves out. */
interface Holds {
  /** Acknowledge no PUBLISH. */
  hold?: boolean;
  /** Answer no PUBREC. */
  holdPubrel?: boolean;
}

export const uint16 = (value: number) => Buffer.from([value >> 8, value & 0xff]);

/** A string, or bytes, with the length before it. */
export const field = (value: string | Buffer) =>
  Buffer.concat([uint16(Buffer.byteLength(value)), Buffer.from(value)]);

/** One packet: its first byte, the remaining length, and what is in it. */
export function packet(firstByte: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const length: number[] = [];
  let rest = body.length;
  do {
    const digit = rest % 128;
    rest = Math.floor(rest / 128);
    length.push(rest > 0 ? digit | 0x80 : digit);
  } while (rest > 0);
  return Buffer.concat([Buffer.from([firstByte, ...length]), body]);
}

export function connectPacket(options: ConnectOptions): Buffer {
  const { clientId, clean = true, keepAlive = 0, will, userName, password, protocolLevel = 4 } = options;
  const willFlags = will ? 0x04 | (will.qos << 3) | (will.retain ? 0x20 : 0) : 0;
  const credentials = [userName, password].filter(value => value !== undefined).map(field);
  const credentialFlags = (userName === undefined ? 0 : 0x80) | (password === undefined ? 0 : 0x40);
  const flags = (clean ? 0x02 : 0) | willFlags | credentialFlags;
  const properties = protocolLevel === 5 ? Buffer.from([0]) : Buffer.alloc(0);
  const willFields = will ? [properties, field(will.topic), field(will.payload)] : [];
  const head = Buffer.concat([field("MQTT"), Buffer.from([protocolLevel, flags]), uint16(keepAlive)]);
  return packet(0x10, head, properties, field(clientId), ...willFields, ...credentials);
}

/** The first packet in these bytes, and how long it is; null while it is not all there. */
export function firstPacket(bytes: Buffer): { length: number; packet: Packet } | null {
  let bodyLength = 0;
  for (let at = 1; at < bytes.length; at++) {
    const digit = bytes.readUInt8(at);
    bodyLength += (digit & 0x7f) << (7 * (at - 1));
    if (digit & 0x80) continue;
    const length = at + 1 + bodyLength;
    if (bytes.length < length) return null;
    const first = bytes.readUInt8(0);
    return {
      length,
      packet: { type: first >> 4, flags: first & 0x0f, body: bytes.subarray(at + 1, length) },
    };
  }
  return null;
}

export function readPublish({ flags, body }: Packet): Publish {
  const qos = ((flags >> 1) & 3) as QoS;
  const topicEnd = 2 + body.readUInt16BE(0);
  const packetId = qos > 0 ? body.readUInt16BE(topicEnd) : null;
  const payload = body.toString("utf8", topicEnd + (qos > 0 ? 2 : 0));
  const topic = body.toString("utf8", 2, topicEnd);
  return { topic, payload, qos, retain: (flags & 1) === 1, dup: (flags & 8) === 8, packetId };
}

/** An MQTT 3.1.1 client made of bytes, which shows every packet as it came and can leave acknowledgments out. */
export class RawClient {
  readonly packets = new Seen<Packet>();
  readonly publishes = new Seen<Publish>();
  /** Kept when the socket is closed. */
  readonly closed: Promise<unknown>;
  readonly socket: Socket;
  readonly #hold: boolean;
  readonly #holdPubrel: boolean;
  readonly #ends = new Seen<"end">();
  #unread: Buffer = Buffer.alloc(0);
  #packetId = 0;

  private constructor(
    t: Owner,
    port: number,
    bytes: Buffer,
    { hold = false, holdPubrel = false }: Holds = {},
  ) {
    this.#hold = hold;
    this.#holdPubrel = holdPubrel;
    this.socket = createConnection({ port, host: "127.0.0.1", noDelay: true });
    this.socket.on("error", () => {});
    this.socket.on("data", data => this.#read(data));
    this.closed = new Promise(resolve => this.socket.once("close", resolve));
    this.socket.once("close", () => this.#ends.push("end"));
    this.socket.write(bytes);
    t.after(() => this.socket.destroy());
  }

  /** Only sends CONNECT. */
  static start(t: Owner, port: number, options: ConnectOptions, more: Buffer = Buffer.alloc(0)): RawClient {
    return new RawClient(t, port, Buffer.concat([connectPacket(options), more]), options);
  }

  /** Only sends these bytes, whatever they are. */
  static send(t: Owner, port: number, bytes: Buffer): RawClient {
    return new RawClient(t, port, bytes);
  }

  /** A client that is connected. */
  static async connect(t: Owner, port: number, options: ConnectOptions): Promise<RawClient> {
    const client = RawClient.start(t, port, options);
    const { returnCode } = await client.connack();
    if (returnCode !== 0) throw new Error(`CONNACK with return code ${returnCode}`);
    return client;
  }

  async connack(): Promise<{ sessionPresent: boolean; returnCode: number }> {
    const { body } = await this.packet("CONNACK", PacketType.connack);
    return { sessionPresent: body.readUInt8(0) === 1, returnCode: body.readUInt8(1) };
  }

  /** The first packet of that type, with that packet identifier if one is given. */
  packet(what: string, type: number, packetId?: number): Promise<Packet> {
    const matches = (each: Packet) =>
      each.type === type && (packetId === undefined || each.body.readUInt16BE(0) === packetId);
    return this.packets.until(what, all => all.find(matches));
  }

  /** @returns the granted QoS */
  async subscribe(topicFilter: string, qos: QoS): Promise<number> {
    const packetId = this.#nextPacketId();
    this.socket.write(packet(0x82, uint16(packetId), field(topicFilter), Buffer.from([qos])));
    const { body } = await this.packet("SUBACK", PacketType.suback, packetId);
    return body.readUInt8(2);
  }

  async unsubscribe(topicFilter: string): Promise<void> {
    const packetId = this.#nextPacketId();
    this.socket.write(packet(0xa2, uint16(packetId), field(topicFilter)));
    await this.packet("UNSUBACK", PacketType.unsuback, packetId);
  }

  /** Waits until the broker has acknowledged it: at QoS 0, that it has answered a PINGREQ after it. */
  async publish(topic: string, payload: string, qos: QoS, retain = false): Promise<void> {
    const first = 0x30 | (qos << 1) | (retain ? 1 : 0);
    if (qos === 0) {
      this.socket.write(packet(first, field(topic), Buffer.from(payload)));
      return this.ping();
    }
    const packetId = this.#nextPacketId();
    this.socket.write(packet(first, field(topic), uint16(packetId), Buffer.from(payload)));
    const type = qos === 1 ? PacketType.puback : PacketType.pubcomp;
    await this.packet(`acknowledgment of ${payload}`, type, packetId);
  }

  /** What was sent before it has been taken up. */
  async ping(): Promise<void> {
    const answers = () => this.packets.items.filter(({ type }) => type === PacketType.pingresp).length;
    const before = answers();
    this.socket.write(PINGREQ);
    await this.packets.until("PINGRESP", () => answers() > before || undefined);
  }

  /** Sends PUBACK, PUBREC, PUBREL or PUBCOMP. */
  acknowledge(type: number, packetId: number): void {
    const flags = type === PacketType.pubrel ? 2 : 0;
    this.socket.write(packet((type << 4) | flags, uint16(packetId)));
  }

  disconnect(): void {
    this.socket.end(DISCONNECT);
  }

  /** The socket is closed; fails when it stays open. */
  ended(what = "connection"): Promise<"end"> {
    return this.#ends.until(`end of ${what}`, all => all[0]);
  }

  /** The payloads that came before that one did. */
  async payloadsBefore(marker: string): Promise<string[]> {
    const payloads = (all: Publish[]) => all.map(each => each.payload);
    await this.publishes.until(`message ${marker}`, all => payloads(all).includes(marker) || undefined);
    const all = payloads(this.publishes.items);
    return all.slice(0, all.indexOf(marker));
  }

  message(payload: string): Promise<Publish> {
    return this.publishes.until(`message ${payload}`, all => all.find(each => each.payload === payload));
  }

  #nextPacketId(): number {
    this.#packetId = (this.#packetId % 0xffff) + 1;
    return this.#packetId;
  }

  #read(data: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, data]);
    for (let first = firstPacket(this.#unread); first; first = firstPacket(this.#unread)) {
      this.#unread = this.#unread.subarray(first.length);
      this.#take(first.packet);
    }
  }

  #take(taken: Packet): void {
    if (taken.type === PacketType.publish) {
      const publish = readPublish(taken);
      if (publish.packetId !== null && !this.#hold)
        this.acknowledge(publish.qos === 1 ? PacketType.puback : PacketType.pubrec, publish.packetId);
      this.publishes.push(publish);
    } else if (taken.type === PacketType.pubrec && !this.#holdPubrel) {
      this.acknowledge(PacketType.pubrel, taken.body.readUInt16BE(0));
    } else if (taken.type === PacketType.pubrel && !this.#hold) {
      this.acknowledge(PacketType.pubcomp, taken.body.readUInt16BE(0));
    }
    this.packets.push(taken);
  }
}
