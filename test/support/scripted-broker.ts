import type { Socket } from "node:net";
import type { TestContext } from "node:test";
import { field, firstPacket, type Packet, packet, PacketType, uint16 } from "./packets.js";
import { WaitableList } from "./waitable-list.js";
import { tcpServer } from "./servers.js";

/** The properties of an MQTT 5 CONNACK, with their identifiers (2.2.2.2). */
export const property = {
  sessionExpiry: (seconds: number) => Buffer.from([0x11, 0, 0, ...uint16(seconds)]),
  assignedClientId: (id: string) => Buffer.concat([Buffer.from([0x12]), field(id)]),
  serverKeepAlive: (seconds: number) => Buffer.from([0x13, ...uint16(seconds)]),
  reasonString: (text: string) => Buffer.concat([Buffer.from([0x1f]), field(text)]),
  receiveMaximum: (count: number) => Buffer.from([0x21, ...uint16(count)]),
  topicAliasMaximum: (count: number) => Buffer.from([0x22, ...uint16(count)]),
  maximumQos: (qos: number) => Buffer.from([0x24, qos]),
  retainAvailable: (is: number) => Buffer.from([0x25, is]),
  maximumPacketSize: (bytes: number) => Buffer.from([0x27, 0, 0, ...uint16(bytes)]),
};

const withLength = (properties: Buffer[]) => {
  const all = Buffer.concat(properties);
  return Buffer.concat([Buffer.from([all.length]), all]); // below 128 bytes
};

/** The answers of an MQTT 5 broker. */
export const answer = {
  connack: (reasonCode: number, ...properties: Buffer[]) =>
    packet(0x20, Buffer.from([0, reasonCode]), withLength(properties)),
  disconnect: (reasonCode: number, ...properties: Buffer[]) =>
    packet(0xe0, Buffer.from([reasonCode]), withLength(properties)),
  /** PUBACK, PUBREC, PUBCOMP */
  acknowledgment: (type: number, packetId: number, reasonCode = 0) =>
    packet(type << 4, uint16(packetId), Buffer.from([reasonCode])),
  suback: (packetId: number, ...codes: number[]) =>
    packet(0x90, uint16(packetId), Buffer.from([0, ...codes])),
  pingresp: Buffer.from([0xd0, 0]),
};

export const CONNECT = 1;
export const SUBSCRIBE = 8;
export const PINGREQ = 12;
const DISCONNECT = 14;

/** A PUBLISH of MQTT 5 without properties. */
export function readPublish5({ flags, body }: Packet) {
  const qos = (flags >> 1) & 3;
  const topicEnd = 2 + body.readUInt16BE(0);
  const packetId = qos > 0 ? body.readUInt16BE(topicEnd) : 0;
  const payload = body.toString("utf8", topicEnd + (qos > 0 ? 2 : 0) + 1);
  return { topic: body.toString("utf8", 2, topicEnd), qos, retain: (flags & 1) === 1, packetId, payload };
}

export type Script = (one: Packet, socket: Socket) => Buffer | null;

/** A broker that answers each packet as the test says, and records all of them. */
export async function scriptedBroker(t: TestContext, script: Script) {
  const packets = new WaitableList<Packet>();
  const port = await tcpServer(t, socket => {
    let unread: Buffer = Buffer.alloc(0);
    socket.on("data", data => {
      unread = Buffer.concat([unread, data]);
      for (let first = firstPacket(unread); first; first = firstPacket(unread)) {
        unread = unread.subarray(first.length);
        packets.push(first.packet);
        const bytes = script(first.packet, socket);
        if (bytes) socket.write(bytes);
        if (first.packet.type === DISCONNECT) socket.end();
      }
    });
  });
  const ofType = (type: number) => packets.items.filter(each => each.type === type);
  return { args: ["-b", `mqtt://127.0.0.1:${port}`, "-V", "5"], port, packets, ofType };
}

/** Accepts every packet, with these answers instead of the default ones. */
export const taking =
  (connack: Buffer, answers: Partial<Record<number, Script>> = {}): Script =>
  (one, socket) => {
    const own = answers[one.type];
    if (own) return own(one, socket);
    if (one.type === CONNECT) return connack;
    if (one.type === PINGREQ) return answer.pingresp;
    if (one.type === SUBSCRIBE) return answer.suback(one.body.readUInt16BE(0), 1);
    if (one.type === PacketType.pubrel)
      return answer.acknowledgment(PacketType.pubcomp, one.body.readUInt16BE(0));
    if (one.type !== PacketType.publish) return null;
    const { qos, packetId } = readPublish5(one);
    if (qos === 0) return null;
    return answer.acknowledgment(qos === 1 ? PacketType.puback : PacketType.pubrec, packetId);
  };
