import type { QoS, Will } from "../../src/events/events.js";

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

export interface ConnectFields {
  clientId: string;
  /** Default: true. */
  clean?: boolean;
  keepAlive?: number;
  will?: Will;
  userName?: string;
  password?: string;
  /** 4 is MQTT 3.1.1. */
  protocolLevel?: number;
}

export const uint16 = (value: number) => Buffer.from([value >> 8, value & 0xff]);

/** A string or binary data, with its two-byte length before it (1.5.3). */
export const field = (value: string | Buffer) =>
  Buffer.concat([uint16(Buffer.byteLength(value)), Buffer.from(value)]);

/** One packet: its first byte, the remaining length, and the parts. */
export function packet(firstByte: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([firstByte, ...remainingLength(body.length)]), body]);
}

export function remainingLength(bytes: number): number[] {
  const length: number[] = [];
  let rest = bytes;
  do {
    const digit = rest % 128;
    rest = Math.floor(rest / 128);
    length.push(rest > 0 ? digit | 0x80 : digit);
  } while (rest > 0);
  return length;
}

export function connectPacket(options: ConnectFields): Buffer {
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

/** Returns the first packet in these bytes and its length, or null if the packet is incomplete. */
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
