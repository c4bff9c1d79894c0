import type { QoS } from "./types.js";

/** Fixed headers (MQTT 3.1.1, 2.2): the packet type, then its flags. */
const PUBLISH = 0x30;
const DUP = 0x08;
const RETAIN = 0x01;
const PUBREL = 0x62;

export interface Publish {
  topic: string;
  payload: Buffer | string;
  qos: QoS;
  retain: boolean;
  dup: boolean;
  /** Null at QoS 0. */
  packetId: number | null;
}

/** A PUBLISH as it goes over the wire, in one piece: the parser's library would write it in six. */
export function publishPacket({ topic, payload, qos, retain, dup, packetId }: Publish): Buffer {
  const topicLength = Buffer.byteLength(topic);
  const payloadLength = typeof payload === "string" ? Buffer.byteLength(payload) : payload.length;
  const rest = 2 + topicLength + (packetId === null ? 0 : 2) + payloadLength;
  const packet = Buffer.allocUnsafe(1 + lengthSize(rest) + rest);
  packet[0] = PUBLISH | (dup ? DUP : 0) | (qos << 1) | (retain ? RETAIN : 0);
  let at = writeLength(packet, rest);
  at = packet.writeUInt16BE(topicLength, at);
  at += packet.write(topic, at);
  if (packetId !== null) at = packet.writeUInt16BE(packetId, at);
  if (typeof payload === "string") packet.write(payload, at);
  else payload.copy(packet, at);
  return packet;
}

/** Bytes that the remaining length takes, seven bits in each (2.2.3). */
const lengthSize = (length: number) => (length < 0x80 ? 1 : length < 0x4000 ? 2 : length < 0x20_0000 ? 3 : 4);

/** @returns where the next field begins */
function writeLength(packet: Buffer, length: number): number {
  let at = 1;
  let left = length;
  do {
    const digit = left & 0x7f;
    left >>>= 7;
    packet[at++] = left > 0 ? digit | 0x80 : digit;
  } while (left > 0);
  return at;
}

export const pubrelPacket = (packetId: number): Buffer =>
  Buffer.from([PUBREL, 2, packetId >> 8, packetId & 0xff]);

/** CONNACK with return code 3: server unavailable (3.2.2.3). */
export const CONNACK_UNAVAILABLE = Buffer.of(0x20, 2, 0, 3);
