import { connect } from "node:net";
import type { TestContext } from "node:test";
import { firstPacket, type Packet, packet } from "./packets.js";
import { tcpServer } from "./servers.js";

/** Returns the changed packet, or null to drop it. */
type Change = (packet: Packet, connection: Connection) => Packet | null;

interface Connection {
  clientId: string;
  /** Ends the connection on both sides, without DISCONNECT. */
  close: () => void;
}

/** Makes a correct broker break MQTT, by changes to the packets between it and its clients. */
interface Defect {
  fromClient?: Change;
  fromBroker?: Change;
}

const [CONNECT, CONNACK, PUBLISH, PUBACK, SUBACK, DISCONNECT] = [1, 2, 3, 4, 9, 14];
/** Offsets in the body of CONNECT. */
const [FLAGS, KEEP_ALIVE, CLIENT_ID] = [7, 8, 10];
const [CLEAN, WILL, WILL_RETAIN, ALL_OF_WILL] = [0x02, 0x04, 0x20, 0x3c];
const [RETAIN, DUP] = [0x01, 0x08];

const changeOnly =
  (type: number | undefined, change: Change): Change =>
  (packet, connection) =>
    packet.type === type ? change(packet, connection) : packet;

const withFlags = (packet: Packet, change: (flags: number) => number): Packet => ({
  ...packet,
  flags: change(packet.flags),
});

const changeConnectFlags = (change: (flags: number) => number): Change =>
  changeOnly(CONNECT, sent => {
    const body = Buffer.from(sent.body);
    body.writeUInt8(change(body.readUInt8(FLAGS)) & 0xff, FLAGS);
    return { ...sent, body };
  });

const fieldEnd = (body: Buffer, at: number) => at + 2 + body.readUInt16BE(at);

const withoutWill = changeOnly(CONNECT, sent => {
  const flags = sent.body.readUInt8(FLAGS);
  if (!(flags & WILL)) return sent;
  const start = fieldEnd(sent.body, CLIENT_ID);
  const end = fieldEnd(sent.body, fieldEnd(sent.body, start));
  const body = Buffer.concat([sent.body.subarray(0, start), sent.body.subarray(end)]);
  body.writeUInt8(flags & ~ALL_OF_WILL & 0xff, FLAGS);
  return { ...sent, body };
});

/** Makes each session begin empty, though CONNACK reports a stored one. */
function discardSessions(): Defect {
  const known = new Set<string>();
  return {
    fromClient: changeConnectFlags(flags => flags | CLEAN),
    fromBroker: changeOnly(CONNACK, (sent, { clientId }) => {
      const body = Buffer.from([known.has(clientId) ? 1 : 0, sent.body.readUInt8(1)]);
      known.add(clientId);
      return { ...sent, body };
    }),
  };
}

function renameClients(): Defect {
  let connections = 0;
  return {
    fromClient: changeOnly(CONNECT, sent => {
      const id = sent.body.toString("utf8", CLIENT_ID + 2, fieldEnd(sent.body, CLIENT_ID));
      const unique = Buffer.from(`${id}-${++connections}`);
      const length = Buffer.from([0, unique.length]);
      const rest = sent.body.subarray(fieldEnd(sent.body, CLIENT_ID));
      return { ...sent, body: Buffer.concat([sent.body.subarray(0, CLIENT_ID), length, unique, rest]) };
    }),
  };
}

/** The offset of the properties in the body of an MQTT 5 CONNECT: first their length, then the first identifier. */
const PROPERTIES = 10;
const SESSION_EXPIRY = 0x11;
const WILL_DELAY = 0x18;

/** Changes the seconds of an MQTT 5 property, if the property is the first at that offset. */
const changeSeconds = (identifier: number, seconds: number, at: (body: Buffer) => number) =>
  changeOnly(CONNECT, sent => {
    const body = Buffer.from(sent.body);
    if (body.readUInt8(at(body) + 1) === identifier) body.writeUInt32BE(seconds, at(body) + 2);
    return { ...sent, body };
  });

const willProperties = (body: Buffer) => {
  const clientId = PROPERTIES + 1 + body.readUInt8(PROPERTIES);
  return body.readUInt8(FLAGS) & WILL ? fieldEnd(body, clientId) : PROPERTIES;
};

export const DEFECTS = {
  "discards wills": () => ({ fromClient: withoutWill }),
  "publishes the will after DISCONNECT": () => ({
    fromClient: changeOnly(DISCONNECT, (_, { close }) => {
      close();
      return null;
    }),
  }),
  "ignores keep alive": () => ({
    fromClient: changeOnly(CONNECT, sent => {
      const body = Buffer.from(sent.body);
      body.writeUInt16BE(0, KEEP_ALIVE);
      return { ...sent, body };
    }),
  }),
  "discards sessions": discardSessions,
  "stores clean sessions": () => ({ fromClient: changeConnectFlags(flags => flags & ~CLEAN) }),
  "clears DUP": () => ({ fromBroker: changeOnly(PUBLISH, sent => withFlags(sent, flags => flags & ~DUP)) }),
  "discards messages with DUP": () => ({
    fromClient: changeOnly(PUBLISH, sent => (sent.flags & DUP ? null : sent)),
  }),
  "ignores acknowledgments": () => ({ fromClient: changeOnly(PUBACK, () => null) }),
  "ignores retain": () => ({
    fromClient: (sent, connection) =>
      changeConnectFlags(flags => flags & ~WILL_RETAIN)(
        sent.type === PUBLISH ? withFlags(sent, flags => flags & ~RETAIN) : sent,
        connection,
      ),
  }),
  "refuses retain": () => ({
    fromClient: changeOnly(PUBLISH, (sent, { close }) => {
      if (!(sent.flags & RETAIN)) return sent;
      close();
      return null;
    }),
  }),
  "clears the retain flag": () => ({
    fromBroker: changeOnly(PUBLISH, sent => withFlags(sent, flags => flags & ~RETAIN)),
  }),
  "accepts a client ID twice": renameClients,
  "stores every session": () => ({ fromClient: changeSeconds(SESSION_EXPIRY, 3600, () => PROPERTIES) }),
  "stores no session": () => ({ fromClient: changeSeconds(SESSION_EXPIRY, 0, () => PROPERTIES) }),
  "ignores the will delay": () => ({ fromClient: changeSeconds(WILL_DELAY, 0, willProperties) }),
  "refuses every subscription": () => ({
    fromBroker: changeOnly(SUBACK, sent => {
      const body = Buffer.from(sent.body).fill(0x80, 2);
      return { ...sent, body };
    }),
  }),
} satisfies Record<string, () => Defect>;

/** Puts a relay with that defect in front of a correct broker. Resolves to the relay's port. */
export function brokenBroker(t: TestContext, port: number, defect: keyof typeof DEFECTS): Promise<number> {
  const { fromClient, fromBroker }: Defect = DEFECTS[defect]();
  return tcpServer(t, client => {
    const broker = connect({ port, host: "127.0.0.1", noDelay: true });
    const close = () => {
      client.destroy();
      broker.destroy();
    };
    const connection: Connection = { clientId: "", close };
    client.setNoDelay(true);
    client.on(
      "data",
      changePackets(fromClient, connection, bytes => broker.write(bytes)),
    );
    broker.on(
      "data",
      changePackets(fromBroker, connection, bytes => client.write(bytes)),
    );
    client.on("error", close).on("close", close);
    broker.on("error", close).on("close", close);
    t.after(close);
  });
}

function changePackets(change: Change | undefined, connection: Connection, send: (bytes: Buffer) => void) {
  let unread = Buffer.alloc(0);
  return (data: Buffer) => {
    unread = Buffer.concat([unread, data]);
    for (let next = firstPacket(unread); next; next = firstPacket(unread)) {
      const { type, body } = next.packet;
      if (type === CONNECT)
        connection.clientId = body.toString("utf8", CLIENT_ID + 2, fieldEnd(body, CLIENT_ID));
      const changed = change ? change(next.packet, connection) : next.packet;
      unread = unread.subarray(next.length);
      if (changed) send(packet((changed.type << 4) | changed.flags, changed.body));
    }
  };
}
