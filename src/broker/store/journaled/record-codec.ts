import type { QoS } from "../../../events/events.js";
import type { FieldReader, FieldWriter } from "../../../storage/field-codec.js";
import type { ApplicationMessage } from "../../message.js";

/** Changes of the store. A session has a number, so that an ended one is not mistaken for its client's next one. */
interface Records {
  session: { session: number; clientId: string };
  ended: { session: number };
  subscribed: { session: number; topicFilter: string; qos: QoS };
  unsubscribed: { session: number; topicFilter: string };
  accepted: Acceptance;
  /** An empty payload clears the retained message. Earlier versions wrote this kind, and the compactor writes it again. */
  retained: { identity: number; message: ApplicationMessage };
  packetIdAssigned: { session: number; identity: number; packetId: number };
  released: { session: number; identity: number };
  /** The message was acknowledged or dropped. */
  dequeued: { session: number; identity: number };
  inboundQos2: InboundQos2Record;
  inboundQos2Released: InboundQos2Record;
  will: { clientId: string; will: ApplicationMessage };
  willCleared: { clientId: string };
  /** `session` and `will` have no owner. These two were added with users. */
  userSession: { session: number; clientId: string; user: string };
  userWill: { clientId: string; will: ApplicationMessage; user: string };
}

/** A message with all changes that its acceptance makes, as one atomic record. */
export interface Acceptance {
  identity: number;
  message: ApplicationMessage;
  /** It replaces or clears the topic's retained message. */
  isRetained: boolean;
  inboundQos2: InboundQos2Record | null;
  /** The client ID, if the message is a stored will. */
  willOf: string | null;
  queued: QueuedRecord[];
}

export interface QueuedRecord {
  session: number;
  qos: 1 | 2;
  retain: boolean;
  isReleased: boolean;
  packetId: number | null;
}

export interface InboundQos2Record {
  session: number;
  packetId: number;
}

export type RecordKind = keyof Records;
export type StoreRecord = { [Kind in RecordKind]: { kind: Kind } & Records[Kind] }[RecordKind];
export type RecordOf<Kind extends RecordKind> = Extract<StoreRecord, { kind: Kind }>;

interface Format<Fields> {
  /** Files contain it: it never changes. */
  code: number;
  write(to: FieldWriter, fields: Fields): void;
  read(from: FieldReader): Fields;
}

/** The format of a session's number and another one. */
const pair = <Name extends string>(code: number, name: Name) => ({
  code,
  write: (to: FieldWriter, fields: { session: number } & Record<Name, number>) => {
    to.number(fields.session);
    to.number(fields[name]);
  },
  read: (from: FieldReader) => {
    const session = from.number();
    return { session, [name]: from.number() } as { session: number } & Record<Name, number>;
  },
});

const FORMATS: { [Kind in RecordKind]: Format<Records[Kind]> } = {
  session: {
    code: 1,
    write: (to, { session, clientId }) => {
      to.number(session);
      to.data(clientId);
    },
    read: from => ({ session: from.number(), clientId: from.text() }),
  },
  ended: {
    code: 2,
    write: (to, { session }) => to.number(session),
    read: from => ({ session: from.number() }),
  },
  subscribed: {
    code: 3,
    write: (to, { session, topicFilter, qos }) => {
      to.number(session);
      to.data(topicFilter);
      to.number(qos);
    },
    read: from => ({ session: from.number(), topicFilter: from.text(), qos: from.number() as QoS }),
  },
  unsubscribed: {
    code: 4,
    write: (to, { session, topicFilter }) => {
      to.number(session);
      to.data(topicFilter);
    },
    read: from => ({ session: from.number(), topicFilter: from.text() }),
  },
  accepted: { code: 5, write: writeAcceptance, read: readAcceptance },
  retained: {
    code: 6,
    write: (to, { identity, message }) => {
      to.number(identity);
      writeMessage(to, message);
    },
    read: from => ({ identity: from.number(), message: readMessage(from) }),
  },
  packetIdAssigned: {
    code: 7,
    write: (to, { session, identity, packetId }) => {
      to.number(session);
      to.number(identity);
      to.number(packetId);
    },
    read: from => ({ session: from.number(), identity: from.number(), packetId: from.number() }),
  },
  released: pair(8, "identity"),
  dequeued: pair(9, "identity"),
  inboundQos2: pair(10, "packetId"),
  inboundQos2Released: pair(11, "packetId"),
  will: {
    code: 12,
    write: (to, { clientId, will }) => {
      to.data(clientId);
      writeMessage(to, will);
    },
    read: from => ({ clientId: from.text(), will: readMessage(from) }),
  },
  willCleared: {
    code: 13,
    write: (to, { clientId }) => to.data(clientId),
    read: from => ({ clientId: from.text() }),
  },
  userSession: {
    code: 14,
    write: (to, { session, clientId, user }) => {
      to.number(session);
      to.data(clientId);
      to.data(user);
    },
    read: from => ({ session: from.number(), clientId: from.text(), user: from.text() }),
  },
  userWill: {
    code: 15,
    write: (to, { clientId, will, user }) => {
      to.data(clientId);
      writeMessage(to, will);
      to.data(user);
    },
    read: from => ({ clientId: from.text(), will: readMessage(from), user: from.text() }),
  },
};

const KINDS_BY_CODE: (RecordKind | undefined)[] = [];
for (const kind of Object.keys(FORMATS) as RecordKind[]) KINDS_BY_CODE[FORMATS[kind].code] = kind;

export function writeRecord(to: FieldWriter, record: StoreRecord): void {
  // The table pairs each kind with its own fields.
  const format = FORMATS[record.kind] as Format<StoreRecord>;
  to.number(format.code);
  format.write(to, record);
}

/** @throws RangeError if the code is unknown */
export function readRecord(from: FieldReader): StoreRecord {
  const code = from.number();
  const kind = KINDS_BY_CODE[code];
  if (kind === undefined) throw new RangeError(`a record of kind ${code}, which this version does not know`);
  const record = FORMATS[kind].read(from) as StoreRecord;
  record.kind = kind;
  return record;
}

const RETAIN = 4;

function writeMessage(to: FieldWriter, { topic, payload, qos, retain }: ApplicationMessage): void {
  to.number(qos + (retain ? RETAIN : 0));
  to.data(topic);
  to.data(payload);
}

function readMessage(from: FieldReader): ApplicationMessage {
  const flags = from.number();
  const topic = from.text();
  return { topic, payload: from.data(), qos: (flags % RETAIN) as QoS, retain: flags >= RETAIN };
}

const IS_RETAINED = 1;
const HAS_INBOUND_QOS2 = 2;
const IS_WILL = 4;

function writeAcceptance(to: FieldWriter, acceptance: Acceptance): void {
  const { identity, message, isRetained, inboundQos2, willOf, queued } = acceptance;
  to.number(identity);
  writeMessage(to, message);
  to.number(
    (isRetained ? IS_RETAINED : 0) + (inboundQos2 ? HAS_INBOUND_QOS2 : 0) + (willOf === null ? 0 : IS_WILL),
  );
  if (inboundQos2) FORMATS.inboundQos2.write(to, inboundQos2);
  if (willOf !== null) to.data(willOf);
  to.number(queued.length);
  for (const each of queued) {
    to.number(each.session);
    to.number(each.qos + (each.retain ? QUEUED_RETAIN : 0) + (each.isReleased ? QUEUED_RELEASED : 0));
    to.number(each.packetId ?? 0); // 0 is no packet identifier
  }
}

function readAcceptance(from: FieldReader): Acceptance {
  const identity = from.number();
  const message = readMessage(from);
  const flags = from.number();
  const inboundQos2 = flags & HAS_INBOUND_QOS2 ? FORMATS.inboundQos2.read(from) : null;
  const willOf = flags & IS_WILL ? from.text() : null;
  const queued: QueuedRecord[] = [];
  for (let left = from.number(); left > 0; left--) queued.push(readQueued(from));
  return { identity, message, isRetained: (flags & IS_RETAINED) > 0, inboundQos2, willOf, queued };
}

const QUEUED_RETAIN = 4;
const QUEUED_RELEASED = 8;

function readQueued(from: FieldReader): QueuedRecord {
  const session = from.number();
  const flags = from.number();
  return {
    session,
    qos: (flags & 3) as 1 | 2,
    retain: (flags & QUEUED_RETAIN) > 0,
    isReleased: (flags & QUEUED_RELEASED) > 0,
    packetId: from.number() || null,
  };
}
