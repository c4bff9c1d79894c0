import type { QoS } from "../../../events/events.js";
import type { FieldReader, FieldWriter } from "../../../storage/field-codec.js";
import type { ApplicationMessage } from "../../message.js";

/** What happened, as the journal has it. Sessions go by numbers: an ended one is not taken for a new one of its client. */
interface Records {
  session: { session: number; clientId: string };
  ended: { session: number };
  subscribed: { session: number; topicFilter: string; qos: QoS };
  unsubscribed: { session: number; topicFilter: string };
  accepted: Acceptance;
  /** An empty payload: nothing is retained on that topic any more. */
  retained: { identity: number; message: ApplicationMessage };
  numbered: { session: number; identity: number; packetId: number };
  released: { session: number; identity: number };
  /** Nothing is owed of that message any more. */
  done: { session: number; identity: number };
  arrived: Arrived;
  completed: Arrived;
  will: { clientId: string; will: ApplicationMessage };
  willGone: { clientId: string };
  /** `session` and `will` are nobody's in particular; these two came later, for users. */
  userSession: { session: number; clientId: string; user: string };
  userWill: { clientId: string; will: ApplicationMessage; user: string };
}

/** A message with all that its acceptance changes: all of that has happened, or nothing. */
export interface Acceptance {
  identity: number;
  message: ApplicationMessage;
  /** It is the topic's retained message now, or has cleared that. */
  isRetained: boolean;
  /** Of a QoS 2 message. */
  arrival: Arrived | null;
  /** The client whose stored will it was. */
  willOf: string | null;
  owed: OwedRecord[];
}

export interface OwedRecord {
  session: number;
  qos: 1 | 2;
  retain: boolean;
  released: boolean;
  packetId: number | null;
}

export interface Arrived {
  session: number;
  packetId: number;
}

export type RecordKind = keyof Records;
export type StoreRecord = { [Kind in RecordKind]: { kind: Kind } & Records[Kind] }[RecordKind];

interface Format<Fields> {
  /** In the files: it stays. */
  code: number;
  write(to: FieldWriter, fields: Fields): void;
  read(from: FieldReader): Fields;
}

/** A session and another number, which is what most kinds consist of. */
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
  numbered: {
    code: 7,
    write: (to, { session, identity, packetId }) => {
      to.number(session);
      to.number(identity);
      to.number(packetId);
    },
    read: from => ({ session: from.number(), identity: from.number(), packetId: from.number() }),
  },
  released: pair(8, "identity"),
  done: pair(9, "identity"),
  arrived: pair(10, "packetId"),
  completed: pair(11, "packetId"),
  will: {
    code: 12,
    write: (to, { clientId, will }) => {
      to.data(clientId);
      writeMessage(to, will);
    },
    read: from => ({ clientId: from.text(), will: readMessage(from) }),
  },
  willGone: {
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

/** By code. */
const KINDS: (RecordKind | undefined)[] = [];
for (const kind of Object.keys(FORMATS) as RecordKind[]) KINDS[FORMATS[kind].code] = kind;

export function writeRecord(to: FieldWriter, record: StoreRecord): void {
  // The table pairs each kind with its own fields.
  const format = FORMATS[record.kind] as Format<StoreRecord>;
  to.number(format.code);
  format.write(to, record);
}

/** @throws RangeError where it is none */
export function readRecord(from: FieldReader): StoreRecord {
  const code = from.number();
  const kind = KINDS[code];
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
const HAS_ARRIVAL = 2;
const IS_WILL = 4;

function writeAcceptance(to: FieldWriter, acceptance: Acceptance): void {
  const { identity, message, isRetained, arrival, willOf, owed } = acceptance;
  to.number(identity);
  writeMessage(to, message);
  to.number((isRetained ? IS_RETAINED : 0) + (arrival ? HAS_ARRIVAL : 0) + (willOf === null ? 0 : IS_WILL));
  if (arrival) FORMATS.arrived.write(to, arrival);
  if (willOf !== null) to.data(willOf);
  to.number(owed.length);
  for (const each of owed) {
    to.number(each.session);
    to.number(each.qos + (each.retain ? OWED_RETAIN : 0) + (each.released ? OWED_RELEASED : 0));
    to.number(each.packetId ?? 0); // which no packet identifier is
  }
}

function readAcceptance(from: FieldReader): Acceptance {
  const identity = from.number();
  const message = readMessage(from);
  const flags = from.number();
  const arrival = flags & HAS_ARRIVAL ? FORMATS.arrived.read(from) : null;
  const willOf = flags & IS_WILL ? from.text() : null;
  const owed: OwedRecord[] = [];
  for (let left = from.number(); left > 0; left--) owed.push(readOwed(from));
  return { identity, message, isRetained: (flags & IS_RETAINED) > 0, arrival, willOf, owed };
}

const OWED_RETAIN = 4;
const OWED_RELEASED = 8;

function readOwed(from: FieldReader): OwedRecord {
  const session = from.number();
  const flags = from.number();
  return {
    session,
    qos: (flags & 3) as 1 | 2,
    retain: (flags & OWED_RETAIN) > 0,
    released: (flags & OWED_RELEASED) > 0,
    packetId: from.number() || null,
  };
}
