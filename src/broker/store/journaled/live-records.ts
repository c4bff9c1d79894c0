import type { ApplicationMessage } from "../../message.js";
import type { Session } from "../../session/session.js";
import type { QueuedMessage } from "../../session/outbound-queue.js";
import type { Arrived, OwedRecord, RecordKind, StoreRecord } from "./record-codec.js";

/** False for what it has been asked for before. */
export type Once = (key: string) => boolean;

/** What a store holds now, as far as records are about it. */
export interface Present {
  session(number: number): Session | undefined;
  will(clientId: string): { will: ApplicationMessage; user: string | null } | undefined;
  /** The identity of the message that is retained on that topic. */
  retainedAs(topic: string): number | undefined;
  /** A message is on its way that will be retained there, and is not safe yet. */
  isArriving(topic: string): boolean;
}

type RecordOf<Kind extends RecordKind> = Extract<StoreRecord, { kind: Kind }>;
type Holds<Record> = (record: Record, present: Present, once: Once) => StoreRecord | null;

/** The kinds that are not here take something back: that is gone, or has been written again without it. */
const HOLDS: { [Kind in RecordKind]?: Holds<RecordOf<Kind>> } = {
  session: sessionHolds,
  userSession: sessionHolds,
  subscribed: (record, present, once) => {
    const qos = present.session(record.session)?.subscriptions.get(record.topicFilter)?.qos;
    const isFirst = qos !== undefined && once(`subscribed ${record.session} ${record.topicFilter}`);
    return isFirst ? { ...record, qos } : null;
  },
  accepted: acceptanceHolds,
  retained: (record, present) =>
    retainedHolds(record.message.topic, record.identity, present) ? record : null,
  arrived: (record, present, once) => (arrivalHolds(record, present, once) ? record : null),
  will: willHolds,
  userWill: willHolds,
};

/**
 * What of a record still holds, as it is now; null where nothing does.
 * @throws Error while what it is about is being replaced: written again then, it would come behind its successor
 */
export function liveRecords(record: StoreRecord, present: Present, once: Once): StoreRecord | null {
  // The table pairs each kind with its own fields.
  const holds = HOLDS[record.kind] as Holds<StoreRecord> | undefined;
  return holds?.(record, present, once) ?? null;
}

/** Whose it is now: it may have been nobody's. */
function sessionHolds({ session: number }: { session: number }, present: Present, once: Once) {
  const session = present.session(number);
  return session && once(`session ${number}`) ? sessionRecord(session) : null;
}

function willHolds({ clientId }: { clientId: string }, present: Present, once: Once): StoreRecord | null {
  const kept = present.will(clientId);
  return kept && once(`will ${clientId}`) ? willRecord(clientId, kept.will, kept.user) : null;
}

function acceptanceHolds(record: RecordOf<"accepted">, present: Present, once: Once): StoreRecord | null {
  const { identity, message } = record;
  const isRetained = record.isRetained && retainedHolds(message.topic, identity, present);
  const arrival = record.arrival && arrivalHolds(record.arrival, present, once) ? record.arrival : null;
  const owed = record.owed.flatMap(({ session: number }) => {
    const session = present.session(number);
    const each = session?.queue.get(identity);
    return session && each ? [owedRecord(session, each)] : [];
  });
  if (!isRetained && !arrival && owed.length === 0) return null;
  return { kind: "accepted", identity, message, isRetained, arrival, willOf: null, owed };
}

function retainedHolds(topic: string, identity: number, present: Present): boolean {
  if (present.retainedAs(topic) !== identity) return false;
  if (present.isArriving(topic)) throw new Error("what is retained there is being replaced");
  return true;
}

function arrivalHolds({ session, packetId }: Arrived, present: Present, once: Once): boolean {
  const isKnown = present.session(session)?.inboundQos2.has(packetId) === true;
  return isKnown && once(`arrived ${session} ${packetId}`);
}

export const sessionRecord = ({ recordNumber: session, clientId, user }: Session): StoreRecord =>
  user === null ? { kind: "session", session, clientId } : { kind: "userSession", session, clientId, user };

export const willRecord = (clientId: string, will: ApplicationMessage, user: string | null): StoreRecord =>
  user === null ? { kind: "will", clientId, will } : { kind: "userWill", clientId, will, user };

export const owedRecord = (
  { recordNumber: session }: Session,
  { qos, retain, isReleased: released, packetId }: QueuedMessage,
): OwedRecord => ({
  session,
  qos,
  retain,
  released,
  packetId,
});
