import type { QoS } from "../../../events/events.js";
import type { FieldReader } from "../../../storage/field-codec.js";
import type { ApplicationMessage } from "../../message.js";
import type { QueuedMessage } from "../../session/outbound-queue.js";
import { type Acceptance, readRecord, type RecordKind, type StoreRecord } from "./record-codec.js";

export interface ReplayedSession {
  /** Null until its record is read: a compacted record follows later records about the session. */
  clientId: string | null;
  user: string | null;
  subscriptions: Map<string, QoS>;
  queued: Map<number, QueuedMessage>;
  inboundQos2: Set<number>;
}

/** The state that the records of a journal add up to. */
export class StoreReplay {
  readonly sessions = new Map<number, ReplayedSession>();
  /** By topic. An empty payload is no message, and hides compacted records of older ones. */
  readonly retained = new Map<string, { identity: number; message: ApplicationMessage }>();
  readonly wills = new Map<string, { will: ApplicationMessage; user: string | null }>();
  lastSession = 0;
  lastIdentity = 0;

  read(records: FieldReader): void {
    while (!records.isAtEnd) this.#apply(readRecord(records));
  }

  /** The number of sessions without the record that names their client. */
  get unidentified(): number {
    return [...this.sessions.values()].filter(({ clientId }) => clientId === null).length;
  }

  /**
   * Removes what missing records had removed, as far as later records show, and returns records of that. Forgets the
   * inbound QoS 2 identifiers: a duplicate is better than a message that is mistaken for another one.
   */
  repair(): StoreRecord[] {
    const records = [...this.#endReplaced(), ...[...this.sessions].flatMap(staleRecords)];
    for (const record of records) this.#apply(record);
    return records;
  }

  /** Ends the sessions whose client has a newer one, and those without a client. */
  #endReplaced(): StoreRecord[] {
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
    packetIdAssigned: ({ session, identity, packetId }) => {
      const queued = this.sessions.get(session)?.queued.get(identity);
      if (queued) queued.packetId = packetId;
    },
    released: ({ session, identity }) => {
      const queued = this.sessions.get(session)?.queued.get(identity);
      if (queued) queued.isReleased = true;
    },
    dequeued: ({ session, identity }) => this.sessions.get(session)?.queued.delete(identity),
    inboundQos2: ({ session, packetId }) => this.#session(session).inboundQos2.add(packetId),
    inboundQos2Released: ({ session, packetId }) => this.sessions.get(session)?.inboundQos2.delete(packetId),
    will: ({ clientId, will }) => this.wills.set(clientId, { will, user: null }),
    userWill: ({ clientId, will, user }) => this.wills.set(clientId, { will, user }),
    willCleared: ({ clientId }) => this.wills.delete(clientId),
  };

  #accepted({ identity, message, isRetained, inboundQos2, willOf, queued }: Acceptance): void {
    if (isRetained) this.#retain(identity, message);
    if (inboundQos2) this.#session(inboundQos2.session).inboundQos2.add(inboundQos2.packetId);
    if (willOf !== null) this.wills.delete(willOf);
    this.lastIdentity = Math.max(this.lastIdentity, identity);
    for (const { session, qos, retain, isReleased, packetId } of queued)
      this.#session(session).queued.set(identity, {
        identity,
        message,
        qos,
        retain,
        isReleased,
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
      queued: new Map(),
      inboundQos2: new Set<number>(),
    };
    this.sessions.set(number, session);
    return session;
  }
}

/** Removes a message whose packet identifier a later one has: the earlier message had been acknowledged. */
function staleRecords([session, { queued, inboundQos2 }]: [number, ReplayedSession]): StoreRecord[] {
  const holders = new Map<number, number>();
  const dequeued: StoreRecord[] = [];
  for (const { identity, packetId } of [...queued.values()].toSorted((a, b) => a.identity - b.identity)) {
    if (packetId === null) continue;
    const earlier = holders.get(packetId);
    if (earlier !== undefined) dequeued.push({ kind: "dequeued", session, identity: earlier });
    holders.set(packetId, identity);
  }
  const released = [...inboundQos2].map(
    (packetId): StoreRecord => ({ kind: "inboundQos2Released", session, packetId }),
  );
  return [...dequeued, ...released];
}
