import type { TestContext } from "node:test";
import type { Duplex } from "node:stream";
import { field, firstPacket, type Packet, packet, readPublish, remainingLength, uint16 } from "./packets.js";
import { tcpServer } from "./servers.js";

/** Deviations from a correct broker. */
export interface Misbehaviour {
  /** The answer to a packet of that name, or null for none. Packets without an entry get the correct answer. */
  answers?: Partial<Record<Asked, (packet: Packet) => Buffer | null>>;
  /** Called when a connection is accepted, before the first read. */
  opened?: (socket: Duplex) => void;
  /** Called once, after SUBACK, or after the first PUBACK for a publisher. */
  begun?: (socket: Duplex) => void;
}

type Asked = "connect" | "publish" | "pubrel" | "subscribe" | "pingreq";
const NAMES: Record<number, Asked> = {
  1: "connect",
  3: "publish",
  6: "pubrel",
  8: "subscribe",
  12: "pingreq",
};

export const CONNACK = packet(0x20, Buffer.from([0, 0]));
export const PINGRESP = packet(0xd0);
export const identified = (firstByte: number, packetId: number) => packet(firstByte, uint16(packetId));
export const packetIdOf = ({ body }: Packet) => body.readUInt16BE(0);
export const publish = (topic: string | Buffer, payload: string | Buffer, qos = 0, packetId = 1) =>
  packet(0x30 | (qos << 1), field(topic), qos > 0 ? uint16(packetId) : Buffer.alloc(0), Buffer.from(payload));
/** Returns the fixed header and the first bytes of a PUBLISH of this remaining length. */
export function announced(bytes: number, topic: string, qos = 0): Buffer {
  const id = qos > 0 ? uint16(7) : Buffer.alloc(0);
  return Buffer.concat([Buffer.from([0x30 | (qos << 1), ...remainingLength(bytes)]), field(topic), id]);
}

const asItShould: Record<Asked, (packet: Packet) => Buffer | null> = {
  connect: () => CONNACK,
  publish: one => {
    const { qos, packetId } = readPublish(one);
    return qos === 0 ? null : identified(qos === 1 ? 0x40 : 0x50, packetId ?? 0);
  },
  pubrel: one => identified(0x70, packetIdOf(one)),
  subscribe: ({ body }) => {
    let filters = 0;
    for (let at = 2; at < body.length; at += 3 + body.readUInt16BE(at)) filters += 1;
    return packet(0x90, body.subarray(0, 2), Buffer.alloc(filters, 1));
  },
  pingreq: () => PINGRESP,
};

/** Serves MQTT with the given deviations. */
export function misbehave({ answers = {}, opened, begun }: Misbehaviour): (socket: Duplex) => void {
  return socket => {
    let unread: Buffer = Buffer.alloc(0);
    let isBegun = false;
    socket.on("error", () => {});
    opened?.(socket);
    socket.on("data", (data: Buffer) => {
      unread = Buffer.concat([unread, data]);
      for (let first = firstPacket(unread); first; first = firstPacket(unread)) {
        unread = unread.subarray(first.length);
        const asked = NAMES[first.packet.type];
        if (!asked) continue;
        const answer = (answers[asked] ?? asItShould[asked])(first.packet);
        if (answer && !socket.destroyed) socket.write(answer);
        const begins = asked === "subscribe" || (asked === "publish" && first.packet.flags & 6);
        if (begins && !isBegun) begun?.(socket);
        if (begins) isBegun = true;
      }
    });
  };
}

export const hostileBroker = (t: TestContext, misbehaviour: Misbehaviour): Promise<number> =>
  tcpServer(t, misbehave(misbehaviour));

/** Writes the same bytes without end, as fast as the client reads. */
export function flood(socket: Duplex, next: () => Buffer): void {
  const write = () => {
    for (let i = 0; i < 64 && !socket.destroyed; i++) if (!socket.write(next())) return;
    if (!socket.destroyed) setImmediate(write);
  };
  socket.on("drain", write);
  write();
}

/** Writes one byte at a time. */
export function drip(socket: Duplex, bytes: Buffer): void {
  let at = 0;
  const write = () => {
    if (socket.destroyed || at >= bytes.length) return;
    socket.write(bytes.subarray(at, ++at), () => setImmediate(write));
  };
  write();
}
