import type { QoS } from "../../events.js";
import type { FieldReader } from "../../journal/fields.js";
import type { Message } from "../message.js";
import type { Owed } from "../session-queue.js";
import { type Acceptance, readRecord, type RecordKind, type StoreRecord } from "./records.js";

export interface ReplayedSession {
  /** Null while only its number has come: what is written again comes later than what was written about it. */
  clientId: string | null;
  subscriptions: Map<string, QoS>;
  owed: Map<number, Owed>;
  received: Set<number>;
}

/** What the records of a journal add up to. */
export class Replay {
  readonly sessions = new Map<number, ReplayedSession>();
  /** By topic; an empty payload is none, and newer than what is written again of an older one. */
  readonly retained = new Map<string, { identity: number; message: Message }>();
  readonly wills = new Map<string, Message>();
  lastSession = 0;
  lastIdentity = 0;

  read(records: FieldReader): void {
    while (!records.isAtEnd) {
      const record = readRecord(records);
      // The table pairs each kind with its own fields.
      (this.#effects[record.kind] as (record: StoreRecord) => void)(record);
    }
  }

  readonly #effects: { [Kind in RecordKind]: (record: Extract<StoreRecord, { kind: Kind }>) => void } = {
    session: ({ session, clientId }) => {
      this.#session(session).clientId = clientId;
    },
    ended: ({ session }) => this.sessions.delete(session),
    subscribed: ({ session, topicFilter, qos }) => this.#session(session).subscriptions.set(topicFilter, qos),
    unsubscribed: ({ session, topicFilter }) => this.sessions.get(session)?.subscriptions.delete(topicFilter),
    accepted: acceptance => this.#accepted(acceptance),
    retained: ({ identity, message }) => this.#retain(identity, message),
    numbered: ({ session, identity, packetId }) => {
      const owed = this.sessions.get(session)?.owed.get(identity);
      if (owed) owed.packetId = packetId;
    },
    released: ({ session, identity }) => {
      const owed = this.sessions.get(session)?.owed.get(identity);
      if (owed) owed.released = true;
    },
    done: ({ session, identity }) => this.sessions.get(session)?.owed.delete(identity),
    arrived: ({ session, packetId }) => this.#session(session).received.add(packetId),
    completed: ({ session, packetId }) => this.sessions.get(session)?.received.delete(packetId),
    will: ({ clientId, will }) => this.wills.set(clientId, will),
    willGone: ({ clientId }) => this.wills.delete(clientId),
  };

  #accepted({ identity, message, isRetained, arrival, willOf, owed }: Acceptance): void {
    if (isRetained) this.#retain(identity, message);
    if (arrival) this.#session(arrival.session).received.add(arrival.packetId);
    if (willOf !== null) this.wills.delete(willOf);
    this.lastIdentity = Math.max(this.lastIdentity, identity);
    for (const { session, qos, retain, released, packetId } of owed)
      this.#session(session).owed.set(identity, {
        identity,
        message,
        qos,
        retain,
        released,
        packetId,
        sent: false,
        inFlight: false,
        bytes: 0,
      });
  }

  #retain(identity: number, message: Message): void {
    const known = this.retained.get(message.topic);
    if (known && known.identity > identity) return;
    this.lastIdentity = Math.max(this.lastIdentity, identity);
    this.retained.set(message.topic, { identity, message });
  }

  #session(number: number): ReplayedSession {
    const known = this.sessions.get(number);
    if (known) return known;
    this.lastSession = Math.max(this.lastSession, number);
    const session = {
      clientId: null,
      subscriptions: new Map(),
      owed: new Map(),
      received: new Set<number>(),
    };
    this.sessions.set(number, session);
    return session;
  }
}
