import type { ApplicationMessage } from "../../message.js";
import type { Session } from "../../session/session.js";
import type { QueuedMessage } from "../../session/outbound-queue.js";
import type { InboundQos2Record, QueuedRecord, RecordKind, RecordOf, StoreRecord } from "./record-codec.js";

/** Returns false for a key of an earlier call. */
export type Once = (key: string) => boolean;

/** The present content of a store, as far as records describe it. */
export interface LiveState {
  session(number: number): Session | undefined;
  will(clientId: string): { will: ApplicationMessage; user: string | null } | undefined;
  /** Returns the identity of the message that is retained on that topic. */
  retainedIdentity(topic: string): number | undefined;
  /** Whether a message is to be retained there that is not durable yet. */
  isRetainedPending(topic: string): boolean;
}

type Refresh<Record> = (record: Record, state: LiveState, once: Once) => StoreRecord | null;

/** The other kinds undo an earlier record, which is no longer on disk or was written again without it. */
const REFRESH: { [Kind in RecordKind]?: Refresh<RecordOf<Kind>> } = {
  session: refreshSession,
  userSession: refreshSession,
  subscribed: (record, state, once) => {
    const qos = state.session(record.session)?.subscriptions.get(record.topicFilter)?.qos;
    const isFirst = qos !== undefined && once(`subscribed ${record.session} ${record.topicFilter}`);
    return isFirst ? { ...record, qos } : null;
  },
  accepted: refreshAcceptance,
  retained: (record, state) =>
    isStillRetained(record.message.topic, record.identity, state) ? record : null,
  inboundQos2: (record, state, once) => (isUnreleased(record, state, once) ? record : null),
  will: refreshWill,
  userWill: refreshWill,
};

/**
 * Returns the part of a record that is still valid, as it is now, or null.
 * @throws Error while a new retained message replaces the record's: the old one would be written after the new one
 */
export function liveRecord(record: StoreRecord, state: LiveState, once: Once): StoreRecord | null {
  // The table pairs each kind with its own fields.
  const refresh = REFRESH[record.kind] as Refresh<StoreRecord> | undefined;
  return refresh?.(record, state, once) ?? null;
}

/** A session without an owner may have one now. */
function refreshSession({ session: number }: { session: number }, state: LiveState, once: Once) {
  const session = state.session(number);
  return session && once(`session ${number}`) ? sessionRecord(session) : null;
}

function refreshWill({ clientId }: { clientId: string }, state: LiveState, once: Once): StoreRecord | null {
  const stored = state.will(clientId);
  return stored && once(`will ${clientId}`) ? willRecord(clientId, stored.will, stored.user) : null;
}

function refreshAcceptance(record: RecordOf<"accepted">, state: LiveState, once: Once): StoreRecord | null {
  const { identity, message } = record;
  const isRetained = record.isRetained && isStillRetained(message.topic, identity, state);
  const inboundQos2 =
    record.inboundQos2 && isUnreleased(record.inboundQos2, state, once) ? record.inboundQos2 : null;
  const queued = record.queued.flatMap(({ session: number }) => {
    const session = state.session(number);
    const each = session?.queue.get(identity);
    return session && each ? [queuedRecord(session, each)] : [];
  });
  if (!isRetained && !inboundQos2 && queued.length === 0) return null;
  return { kind: "accepted", identity, message, isRetained, inboundQos2, willOf: null, queued };
}

function isStillRetained(topic: string, identity: number, state: LiveState): boolean {
  if (state.retainedIdentity(topic) !== identity) return false;
  if (state.isRetainedPending(topic)) throw new Error("what is retained there is being replaced");
  return true;
}

function isUnreleased({ session, packetId }: InboundQos2Record, state: LiveState, once: Once): boolean {
  const isKnown = state.session(session)?.inboundQos2.has(packetId) === true;
  return isKnown && once(`inboundQos2 ${session} ${packetId}`);
}

export const sessionRecord = ({ recordNumber: session, clientId, user }: Session): StoreRecord =>
  user === null ? { kind: "session", session, clientId } : { kind: "userSession", session, clientId, user };

export const willRecord = (clientId: string, will: ApplicationMessage, user: string | null): StoreRecord =>
  user === null ? { kind: "will", clientId, will } : { kind: "userWill", clientId, will, user };

export const queuedRecord = (
  { recordNumber: session }: Session,
  { qos, retain, isReleased, packetId }: QueuedMessage,
): QueuedRecord => ({
  session,
  qos,
  retain,
  isReleased,
  packetId,
});
