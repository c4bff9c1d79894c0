import type { QoS } from "../../../events/events.js";
import type { FieldReader } from "../../../storage/field-codec.js";
import type { ApplicationMessage } from "../../message.js";
import type { QueuedMessage } from "../../session/outbound-queue.js";
import { type Acceptance, readRecord, type RecordKind, type StoreRecord } from "./record-codec.js";

export interface ReplayedSession {
  /** Null while only its number has come: what is written again comes later than what was written about it. */
  clientId: string | null;
  user: string | null;
  subscriptions: Map<string, QoS>;
  owed: Map<number, QueuedMessage>;
  received: Set<number>;
}

/** What the records of a journal add up to. */
export class StoreReplay {
  readonly sessions = new Map<number, ReplayedSession>();
  /** By topic; an empty payload is none, and newer than what is written again of an older one. */
  readonly retained = new Map<string, { identity: number; message: ApplicationMessage }>();
  readonly wills = new Map<string, { will: ApplicationMessage; user: string | null }>();
  lastSession = 0;
  lastIdentity = 0;

  read(records: FieldReader): void {
    while (!records.isAtEnd) this.#apply(readRecord(records));
  }

  /** How many sessions there are of which no record says whose they are. */
  get nameless(): number {
    return [...this.sessions.values()].filter(({ clientId }) => clientId === null).length;
  }

  /**
   * Where records are missing, what they took back is still there: it goes, as far as later ones tell. Which QoS 2
   * messages are under way is forgotten: one that comes twice is better than one that is taken for another.
   * @returns the records that say so
   */
  mend(): StoreRecord[] {
    const records = [...this.#replaced(), ...[...this.sessions].flatMap(outdated)];
    for (const record of records) this.#apply(record);
    return records;
  }

  /** Sessions whose client has a newer one, and those whose client nobody knows. */
  #replaced(): StoreRecord[] {
    const newest = new Map<string | null, number>();
    for (const [session, { clientId }] of this.sessions)
      newest.set(clientId, Math.max(session, newest.get(clientId) ?? 0));
    return [...this.sessions]
      .filter(([session, { clientId }]) => clientId === null || newest.get(clientId) !== session)
      .map(([session]) => ({ kind: "ended", session }));
  }

  #apply(record: StoreRecord): void {
    // The table pairs each kind with its own fields.
    (this.#effects[record.kind] as (record: StoreRecord) => void)(record);
  }

  readonly #effects: { [Kind in RecordKind]: (record: Extract<StoreRecord, { kind: Kind }>) => void } = {
    session: ({ session, clientId }) => {
      this.#session(session).clientId = clientId;
    },
    userSession: ({ session, clientId, user }) => {
      Object.assign(this.#session(session), { clientId, user });
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
      if (owed) owed.isReleased = true;
    },
    done: ({ session, identity }) => this.sessions.get(session)?.owed.delete(identity),
    arrived: ({ session, packetId }) => this.#session(session).received.add(packetId),
    completed: ({ session, packetId }) => this.sessions.get(session)?.received.delete(packetId),
    will: ({ clientId, will }) => this.wills.set(clientId, { will, user: null }),
    userWill: ({ clientId, will, user }) => this.wills.set(clientId, { will, user }),
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
        isReleased: released,
        packetId,
        wasSent: false,
        isInFlight: false,
        diskBytes: 0,
      });
  }

  #retain(identity: number, message: ApplicationMessage): void {
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
      user: null,
      subscriptions: new Map(),
      owed: new Map(),
      received: new Set<number>(),
    };
    this.sessions.set(number, session);
    return session;
  }
}

/** A packet identifier that was given to a later message was free: the earlier one had been acknowledged. */
function outdated([session, { owed, received }]: [number, ReplayedSession]): StoreRecord[] {
  const holders = new Map<number, number>();
  const done: StoreRecord[] = [];
  for (const { identity, packetId } of [...owed.values()].toSorted((a, b) => a.identity - b.identity)) {
    if (packetId === null) continue;
    const earlier = holders.get(packetId);
    if (earlier !== undefined) done.push({ kind: "done", session, identity: earlier });
    holders.set(packetId, identity);
  }
  const completed = [...received].map((packetId): StoreRecord => ({ kind: "completed", session, packetId }));
  return [...done, ...completed];
}
