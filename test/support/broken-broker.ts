import { connect } from "node:net";
import type { TestContext } from "node:test";
import { firstPacket, type Packet, packet } from "./raw-client.js";
import { tcpServer } from "./servers.js";

/** What a packet becomes on its way; null: it is kept back. */
type Change = (packet: Packet, connection: Wire) => Packet | null;

interface Wire {
  clientId: string;
  /** Ends the connection on both sides, without DISCONNECT. */
  cut: () => void;
}

/** How a broker breaks MQTT, by what is changed between it and its clients. */
interface Defect {
  fromClient?: Change;
  fromBroker?: Change;
}

const [CONNECT, CONNACK, PUBLISH, PUBACK, SUBACK, DISCONNECT] = [1, 2, 3, 4, 9, 14];
/** In CONNECT, after the protocol's name and level: flags, keep alive, client identifier. */
const [FLAGS, KEEP_ALIVE, CLIENT_ID] = [7, 8, 10];
const [CLEAN, WILL, WILL_RETAIN, ALL_OF_WILL] = [0x02, 0x04, 0x20, 0x3c];
const [RETAIN, DUP] = [0x01, 0x08];

const only =
  (type: number | undefined, change: Change): Change =>
  (one, wire) =>
    one.type === type ? change(one, wire) : one;

const withFlags = (one: Packet, change: (flags: number) => number): Packet => ({
  ...one,
  flags: change(one.flags),
});

const connecting = (change: (flags: number) => number): Change =>
  only(CONNECT, one => {
    const body = Buffer.from(one.body);
    body.writeUInt8(change(body.readUInt8(FLAGS)) & 0xff, FLAGS);
    return { ...one, body };
  });

const fieldEnd = (body: Buffer, at: number) => at + 2 + body.readUInt16BE(at);

const withoutWill = only(CONNECT, one => {
  const flags = one.body.readUInt8(FLAGS);
  if (!(flags & WILL)) return one;
  const start = fieldEnd(one.body, CLIENT_ID);
  const end = fieldEnd(one.body, fieldEnd(one.body, start));
  const body = Buffer.concat([one.body.subarray(0, start), one.body.subarray(end)]);
  body.writeUInt8(flags & ~ALL_OF_WILL & 0xff, FLAGS);
  return { ...one, body };
});

/** Each session begins empty, though CONNACK says that it was kept. */
function forgetful(): Defect {
  const known = new Set<string>();
  return {
    fromClient: connecting(flags => flags | CLEAN),
    fromBroker: only(CONNACK, (one, { clientId }) => {
      const body = Buffer.from([known.has(clientId) ? 1 : 0, one.body.readUInt8(1)]);
      known.add(clientId);
      return { ...one, body };
    }),
  };
}

function renaming(): Defect {
  let connections = 0;
  return {
    fromClient: only(CONNECT, one => {
      const id = one.body.toString("utf8", CLIENT_ID + 2, fieldEnd(one.body, CLIENT_ID));
      const unique = Buffer.from(`${id}-${++connections}`);
      const length = Buffer.from([0, unique.length]);
      const rest = one.body.subarray(fieldEnd(one.body, CLIENT_ID));
      return { ...one, body: Buffer.concat([one.body.subarray(0, CLIENT_ID), length, unique, rest]) };
    }),
  };
}

/** In CONNECT of MQTT 5: the length of the properties, the first one's identifier, and its value in seconds. */
const PROPERTIES = 10;
const SESSION_EXPIRY = 0x11;
const WILL_DELAY = 0x18;

/** A client of MQTT 5 asks for another time than it meant, where the property comes first at that place. */
const withSeconds = (identifier: number, seconds: number, at: (body: Buffer) => number) =>
  only(CONNECT, one => {
    const body = Buffer.from(one.body);
    if (body.readUInt8(at(body) + 1) === identifier) body.writeUInt32BE(seconds, at(body) + 2);
    return { ...one, body };
  });

const willProperties = (body: Buffer) => {
  const clientId = PROPERTIES + 1 + body.readUInt8(PROPERTIES);
  return body.readUInt8(FLAGS) & WILL ? fieldEnd(body, clientId) : PROPERTIES;
};

export const DEFECTS = {
  "drops wills": () => ({ fromClient: withoutWill }),
  "sends the will after DISCONNECT too": () => ({
    fromClient: only(DISCONNECT, (_, { cut }) => {
      cut();
      return null;
    }),
  }),
  "does not mind silence": () => ({
    fromClient: only(CONNECT, one => {
      const body = Buffer.from(one.body);
      body.writeUInt16BE(0, KEEP_ALIVE);
      return { ...one, body };
    }),
  }),
  "queues nothing": forgetful,
  "keeps clean sessions": () => ({ fromClient: connecting(flags => flags & ~CLEAN) }),
  "forgets DUP": () => ({ fromBroker: only(PUBLISH, one => withFlags(one, flags => flags & ~DUP)) }),
  "takes DUP for already had": () => ({
    fromClient: only(PUBLISH, one => (one.flags & DUP ? null : one)),
  }),
  "ignores acknowledgments": () => ({ fromClient: only(PUBACK, () => null) }),
  "ignores retain": () => ({
    fromClient: (one, wire) =>
      connecting(flags => flags & ~WILL_RETAIN)(
        one.type === PUBLISH ? withFlags(one, flags => flags & ~RETAIN) : one,
        wire,
      ),
  }),
  "refuses retain": () => ({
    fromClient: only(PUBLISH, (one, { cut }) => {
      if (!(one.flags & RETAIN)) return one;
      cut();
      return null;
    }),
  }),
  "sends retained messages as if they were new": () => ({
    fromBroker: only(PUBLISH, one => withFlags(one, flags => flags & ~RETAIN)),
  }),
  "lets two clients have one ID": renaming,
  "keeps every session": () => ({ fromClient: withSeconds(SESSION_EXPIRY, 3600, () => PROPERTIES) }),
  "keeps no session": () => ({ fromClient: withSeconds(SESSION_EXPIRY, 0, () => PROPERTIES) }),
  "does not wait with wills": () => ({ fromClient: withSeconds(WILL_DELAY, 0, willProperties) }),
  "forbids every topic": () => ({
    fromBroker: only(SUBACK, one => {
      const body = Buffer.from(one.body).fill(0x80, 2);
      return { ...one, body };
    }),
  }),
} satisfies Record<string, () => Defect>;

/** A broker with that defect: one without, behind what makes it so. Resolves to its port. */
export function brokenBroker(t: TestContext, port: number, defect: keyof typeof DEFECTS): Promise<number> {
  const { fromClient, fromBroker }: Defect = DEFECTS[defect]();
  return tcpServer(t, client => {
    const broker = connect({ port, host: "127.0.0.1", noDelay: true });
    const cut = () => {
      client.destroy();
      broker.destroy();
    };
    const wire: Wire = { clientId: "", cut };
    client.setNoDelay(true);
    client.on(
      "data",
      changing(fromClient, wire, bytes => broker.write(bytes)),
    );
    broker.on(
      "data",
      changing(fromBroker, wire, bytes => client.write(bytes)),
    );
    client.on("error", cut).on("close", cut);
    broker.on("error", cut).on("close", cut);
    t.after(cut);
  });
}

function changing(change: Change | undefined, wire: Wire, send: (bytes: Buffer) => void) {
  let unread = Buffer.alloc(0);
  return (data: Buffer) => {
    unread = Buffer.concat([unread, data]);
    for (let next = firstPacket(unread); next; next = firstPacket(unread)) {
      const { type, body } = next.packet;
      if (type === CONNECT) wire.clientId = body.toString("utf8", CLIENT_ID + 2, fieldEnd(body, CLIENT_ID));
      const changed = change ? change(next.packet, wire) : next.packet;
      unread = unread.subarray(next.length);
      if (changed) send(packet((changed.type << 4) | changed.flags, changed.body));
    }
  };
}
