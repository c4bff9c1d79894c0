import { createConnection, type Socket } from "node:net";
import type { QoS } from "../../src/events/events.js";
import {
  type ConnectFields,
  connectPacket,
  DISCONNECT,
  field,
  firstPacket,
  type Packet,
  packet,
  PacketType,
  PINGREQ,
  type Publish,
  readPublish,
  uint16,
} from "./packets.js";
import type { Owner } from "./processes.js";
import { WaitableList } from "./waitable-list.js";

export interface ConnectOptions extends ConnectFields, Omissions {}

/** Acknowledgments that the client leaves out. */
interface Omissions {
  /** Acknowledge no PUBLISH. */
  hold?: boolean;
  /** Answer no PUBREC. */
  holdPubrel?: boolean;
}

/** An MQTT 3.1.1 client on a bare socket. It records every packet and can omit acknowledgments. */
export class RawClient {
  readonly packets = new WaitableList<Packet>();
  readonly publishes = new WaitableList<Publish>();
  /** Resolves when the socket is closed. */
  readonly closed: Promise<unknown>;
  readonly socket: Socket;
  readonly #hold: boolean;
  readonly #holdPubrel: boolean;
  readonly #ends = new WaitableList<"end">();
  #unread: Buffer = Buffer.alloc(0);
  #packetId = 0;

  private constructor(
    t: Owner,
    port: number,
    bytes: Buffer,
    { hold = false, holdPubrel = false }: Omissions = {},
  ) {
    this.#hold = hold;
    this.#holdPubrel = holdPubrel;
    this.socket = createConnection({ port, host: "127.0.0.1", noDelay: true });
    this.socket.on("error", () => {});
    this.socket.on("data", data => this.#read(data));
    this.closed = new Promise(resolve => this.socket.once("close", resolve));
    this.socket.once("close", () => {
      this.#ends.push("end");
      for (const list of [this.packets, this.publishes]) list.end("the connection was closed");
    });
    this.socket.write(bytes);
    t.after(() => this.socket.destroy());
  }

  /** Sends CONNECT, and does not wait for CONNACK. */
  static start(t: Owner, port: number, options: ConnectOptions, more: Buffer = Buffer.alloc(0)): RawClient {
    return new RawClient(t, port, Buffer.concat([connectPacket(options), more]), options);
  }

  /** Sends these bytes, which need not be MQTT. */
  static send(t: Owner, port: number, bytes: Buffer): RawClient {
    return new RawClient(t, port, bytes);
  }

  /** Resolves with a client that has its CONNACK with return code 0. */
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
    return this.packets.waitFor(what, all => all.find(matches));
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

  /** Resolves when the broker has acknowledged the message; at QoS 0, when it has answered a PINGREQ behind it. */
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

  /** Resolves when the broker has processed every packet sent so far. */
  async ping(): Promise<void> {
    const answers = () => this.packets.items.filter(({ type }) => type === PacketType.pingresp).length;
    const before = answers();
    this.socket.write(PINGREQ);
    await this.packets.waitFor("PINGRESP", () => answers() > before || undefined);
  }

  /** Sends PUBACK, PUBREC, PUBREL or PUBCOMP. */
  acknowledge(type: number, packetId: number): void {
    const flags = type === PacketType.pubrel ? 2 : 0;
    this.socket.write(packet((type << 4) | flags, uint16(packetId)));
  }

  disconnect(): void {
    this.socket.end(DISCONNECT);
  }

  /** Resolves when the socket is closed. Fails if it stays open. */
  ended(what = "connection"): Promise<"end"> {
    return this.#ends.waitFor(`end of ${what}`, all => all[0]);
  }

  /** Resolves with the payloads received before this one. */
  async payloadsBefore(marker: string): Promise<string[]> {
    const payloads = (all: Publish[]) => all.map(each => each.payload);
    await this.publishes.waitFor(`message ${marker}`, all => payloads(all).includes(marker) || undefined);
    const all = payloads(this.publishes.items);
    return all.slice(0, all.indexOf(marker));
  }

  message(payload: string): Promise<Publish> {
    return this.publishes.waitFor(`message ${payload}`, all => all.find(each => each.payload === payload));
  }

  #nextPacketId(): number {
    this.#packetId = (this.#packetId % 0xffff) + 1;
    return this.#packetId;
  }

  #read(data: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, data]);
    for (let first = firstPacket(this.#unread); first; first = firstPacket(this.#unread)) {
      this.#unread = this.#unread.subarray(first.length);
      this.#receive(first.packet);
    }
  }

  #receive(received: Packet): void {
    if (received.type === PacketType.publish) {
      const publish = readPublish(received);
      if (publish.packetId !== null && !this.#hold)
        this.acknowledge(publish.qos === 1 ? PacketType.puback : PacketType.pubrec, publish.packetId);
      this.publishes.push(publish);
    } else if (received.type === PacketType.pubrec && !this.#holdPubrel) {
      this.acknowledge(PacketType.pubrel, received.body.readUInt16BE(0));
    } else if (received.type === PacketType.pubrel && !this.#hold) {
      this.acknowledge(PacketType.pubcomp, received.body.readUInt16BE(0));
    }
    this.packets.push(received);
  }
}
