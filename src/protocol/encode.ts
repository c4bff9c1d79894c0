import { packetSize, writeRemainingLength } from "./remaining-length.js";
import type { ReturnCode } from "./return-codes.js";
import type { QoS } from "./types.js";

/** Fixed headers (MQTT 3.1.1, 2.2): the packet type, then its flags. */
const CONNACK = 0x20;
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

/** Returns a PUBLISH in one piece: mqtt-packet would write it in six. */
export function publishPacket({ topic, payload, qos, retain, dup, packetId }: Publish): Buffer {
  const topicLength = Buffer.byteLength(topic);
  const payloadLength = typeof payload === "string" ? Buffer.byteLength(payload) : payload.length;
  const rest = 2 + topicLength + (packetId === null ? 0 : 2) + payloadLength;
  const packet = Buffer.allocUnsafe(packetSize(rest));
  packet[0] = PUBLISH | (dup ? DUP : 0) | (qos << 1) | (retain ? RETAIN : 0);
  let at = writeRemainingLength(packet, rest);
  at = packet.writeUInt16BE(topicLength, at);
  at += packet.write(topic, at);
  if (packetId !== null) at = packet.writeUInt16BE(packetId, at);
  if (typeof payload === "string") packet.write(payload, at);
  else payload.copy(packet, at);
  return packet;
}

export const pubrelPacket = (packetId: number): Buffer =>
  Buffer.from([PUBREL, 2, packetId >> 8, packetId & 0xff]);

/** CONNACK that refuses a CONNECT (3.2). */
export const refusingConnack = (returnCode: ReturnCode): Buffer => Buffer.of(CONNACK, 2, 0, returnCode);
