import type { UserError } from "../../../util/errors.js";
import { lockDir } from "../../../storage/dir-lock.js";
import { Journal, type Sync } from "../../../storage/journal.js";
import { type MissingBatches, repair } from "../../../storage/repair.js";
import { MemoryStore, type PlannedMessage } from "../memory-store.js";
import type { ApplicationMessage } from "../../message.js";
import type { Session, StoredSubscription } from "../../session/session.js";
import type { QueuedMessage } from "../../session/outbound-queue.js";
import type { Accepted, Arrival, Origin, DoneCallback } from "../store.js";
import { Compactor } from "./compactor.js";
import {
  type Arrived,
  type OwedRecord,
  type RecordKind,
  type StoreRecord,
  writeRecord,
} from "./record-codec.js";
import { owedRecord, type Present, sessionRecord, liveRecords, willRecord } from "./live-records.js";
import { StoreReplay, type ReplayedSession } from "./replay.js";

const USER = { command: "lwt-broker", option: "--data" };

export interface DataSettings {
  folder: string;
  /** What is acknowledged survives with `disk` a power cut, with `write` the death of this process. */
  sync: Sync;
  /** Of a damaged folder, keep what can be read; else it is refused. Default false. */
  salvage?: boolean;
}

/** Told what goes wrong while the store is in use. */
export interface StoreEvents {
  /** The disk takes nothing any more; with null, it does again. */
  trouble(error: Error | null): void;
  /** A file has changed since it was written. What is in memory is what it held. */
  damaged(error: UserError): void;
}

/** What was found in the folder. */
export interface Recovered {
  sessions: number;
  /** Owed to these sessions. */
  messages: number;
  retained: number;
  wills: number;
  /** Of the write that never came to its end: the file, and how many bytes. */
  cut: { file: string; bytes: number } | null;
  /** With `salvage`. */
  leftOut: MissingBatches[];
  /** Clients whose sessions may miss something of that. */
  mayMiss: string[];
  /** Sessions of which only that says whose they were. */
  nameless: number;
}

type RecordOf<Kind extends RecordKind> = Extract<StoreRecord, { kind: Kind }>;

/** Bytes of a record beside its texts and its payload, about. */
const OVERHEAD = 24;

const bytesOf = ({ topic, payload }: ApplicationMessage) => OVERHEAD + topic.length + payload.length;

/**
 * The store in memory, with a journal in front of it: a message is entered when its record is safe; what else changes
 * is changed at once, and recorded in the same order.
 */
export class JournaledStore extends MemoryStore {
  override readonly folder: string;
  readonly #journal: Journal;
  readonly #cleaner: Compactor;
  readonly #unlock: () => void;
  readonly #byNumber = new Map<number, Session>();
  /** By topic, which message's identity is retained there. */
  readonly #retainedAs = new Map<string, number>();
  readonly #present: Present = {
    session: number => this.#byNumber.get(number),
    will: clientId => this.keptWill(clientId),
    retainedAs: topic => this.#retainedAs.get(topic),
    isArriving: topic => this.#arriving.has(topic),
  };
  /** Messages to be retained that are not safe yet. */
  readonly #arriving = new Map<string, ApplicationMessage>();
  #lastSession = 0;
  #liveBytes = 0;

  private constructor(folder: string, journal: Journal, witness: StoreEvents, unlock: () => void) {
    super();
    this.folder = folder;
    this.#journal = journal;
    this.#unlock = unlock;
    this.#cleaner = new Compactor(journal, {
      liveBytes: () => this.#liveBytes,
      stillHolds: (record, once) => liveRecords(record, this.#present, once),
      damaged: error => witness.damaged(error),
    });
    journal.onWritten = () => this.#cleaner.check();
  }

  /**
   * @throws UserError `store-in-use`, `store-damaged` or `store-format`; the system's Error where the folder can't be used
   */
  static async open(
    settings: DataSettings,
    witness: StoreEvents,
  ): Promise<{ store: JournaledStore; recovered: Recovered }> {
    const unlock = await lockDir(settings.folder, USER);
    try {
      const leftOut = settings.salvage ? await repair(settings.folder, USER.option) : [];
      const replay = new StoreReplay();
      const { journal, cut } = await Journal.open(
        { ...settings, option: USER.option, trouble: error => witness.trouble(error) },
        records => replay.read(records),
      );
      const { nameless } = replay;
      const mended = leftOut.length > 0 ? replay.mend() : [];
      const store = new JournaledStore(settings.folder, journal, witness, unlock);
      const counts = store.#restore(replay);
      for (const record of mended) store.#keep(record);
      await new Promise<void>(resolve => journal.whenKept(resolve));
      const mayMiss = leftOut.length > 0 ? store.#subscribers() : [];
      return { store, recovered: { ...counts, cut, leftOut, mayMiss, nameless } };
    } catch (error) {
      unlock();
      throw error;
    }
  }

  override openStored(clientId: string, user: string | null = null): Session {
    const known = this.stored(clientId);
    if (known && (known.user !== null || user === null)) return known;
    const session = known
      ? super.openStored(clientId, user)
      : this.#open(clientId, this.#lastSession + 1, user);
    this.#keep(sessionRecord(session));
    return session;
  }

  override end(session: Session): void {
    if (this.#isKept(session)) {
      this.#byNumber.delete(session.recordNumber);
      this.#liveBytes -= sizeOf(session);
      this.#keep({ kind: "ended", session: session.recordNumber });
    }
    super.end(session);
  }

  override subscribe(session: Session, subscription: StoredSubscription): void {
    const { topic: topicFilter, qos } = subscription;
    const isNew = !session.subscriptions.has(topicFilter);
    super.subscribe(session, subscription);
    if (!this.#isKept(session)) return;
    if (isNew) this.#liveBytes += OVERHEAD + topicFilter.length;
    this.#keep({ kind: "subscribed", session: session.recordNumber, topicFilter, qos });
  }

  override unsubscribe(session: Session, topicFilter: string): void {
    if (this.#isKept(session) && session.subscriptions.has(topicFilter)) {
      this.#liveBytes -= OVERHEAD + topicFilter.length;
      this.#keep({ kind: "unsubscribed", session: session.recordNumber, topicFilter });
    }
    super.unsubscribe(session, topicFilter);
  }

  override accept(message: ApplicationMessage, origin: Origin | null, accepted: Accepted): void {
    const isWill = origin !== null && "willOf" in origin;
    const willOf = isWill && this.will(origin.willOf) === origin.will ? origin.willOf : null;
    const taken = this.plan(message, origin);
    if (message.retain) this.#arriving.set(message.topic, message);
    const record = this.#acceptance(taken, willOf);
    const enter = () => {
      this.enter(taken);
      accepted(taken.targets, null);
    };
    // In its turn, though there is nothing of it to keep.
    if (!record) return this.#journal.whenSafe(enter);
    if (isWill) return this.#keep(record, enter);
    this.#journal.offer(
      to => writeRecord(to, record),
      error => {
        if (!error) return enter();
        this.#abandon(taken);
        accepted([], error);
      },
    );
  }

  protected override enter(taken: PlannedMessage): void {
    super.enter(taken);
    this.#hasArrived(taken.message);
    for (const { session, owed } of taken.targets)
      if (owed && this.#isKept(session)) this.#liveBytes += owed.diskBytes;
  }

  #hasArrived(message: ApplicationMessage): void {
    if (this.#arriving.get(message.topic) === message) this.#arriving.delete(message.topic);
  }

  /** Null where nothing of it outlives the broker. */
  #acceptance(
    { identity, message, origin, targets }: PlannedMessage,
    willOf: string | null,
  ): RecordOf<"accepted"> | null {
    const owed: OwedRecord[] = [];
    for (const { session, owed: each } of targets)
      if (each && this.#isKept(session)) owed.push(owedRecord(session, each));
    const arrival = origin && "packetId" in origin && this.#isKept(origin.session) ? numbers(origin) : null;
    const { retain: isRetained } = message;
    if (owed.length === 0 && !arrival && !isRetained && willOf === null) return null;
    // They share one record.
    for (const { owed: each } of targets) if (each) each.diskBytes = bytesOf(message) / owed.length;
    return { kind: "accepted", identity, message, isRetained, arrival, willOf, owed };
  }

  #abandon({ message, origin, targets }: PlannedMessage): void {
    this.#hasArrived(message);
    for (const { session, owed } of targets) if (owed) session.queue.releasePacketId(owed);
    if (origin && "packetId" in origin) this.releaseInboundQos2(origin);
  }

  override enqueue(
    session: Session,
    message: ApplicationMessage,
    qos: 1 | 2,
    retain: boolean,
    entered: () => void,
    identity = this.nextIdentity(),
  ): void {
    const owed = session.queue.prepare(identity, message, qos, retain);
    const taken: PlannedMessage = { identity, message, origin: null, targets: [{ session, owed }] };
    const enter = () => {
      session.queue.enter(owed);
      if (this.#isKept(session)) this.#liveBytes += owed.diskBytes;
      entered();
    };
    const record = this.#acceptance(taken, null);
    if (record) this.#keep({ ...record, isRetained: false }, enter);
    else this.#journal.whenKept(enter);
  }

  override recordPacketIds(session: Session, owed: QueuedMessage[], goOn: () => void): void {
    const { recordNumber } = session;
    if (owed.length === 0 || !this.#isKept(session)) return this.#journal.whenKept(goOn);
    this.#journal.keep(to => {
      for (const { identity, packetId } of owed)
        writeRecord(to, { kind: "numbered", session: recordNumber, identity, packetId: packetId ?? 0 });
    }, goOn);
  }

  override released(session: Session, packetId: number): boolean {
    const owed = session.queue.sentAs(packetId);
    const isNews = owed?.isReleased === false;
    const isOwed = super.released(session, packetId);
    if (isOwed && owed && isNews && this.#isKept(session))
      this.#keep({ kind: "released", session: session.recordNumber, identity: owed.identity });
    return isOwed;
  }

  override acknowledged(session: Session, packetId: number): QueuedMessage | null {
    return this.#done(session, super.acknowledged(session, packetId));
  }

  override dropOldest(session: Session, sentToo = false): QueuedMessage | null {
    return this.#done(session, super.dropOldest(session, sentToo));
  }

  #done(session: Session, owed: QueuedMessage | null): QueuedMessage | null {
    if (owed && this.#isKept(session)) {
      this.#liveBytes -= owed.diskBytes;
      const { recordNumber } = session;
      this.#journal.keepSoon(to =>
        writeRecord(to, { kind: "done", session: recordNumber, identity: owed.identity }),
      );
    }
    return owed;
  }

  override recordInboundQos2(arrival: Arrival): void {
    super.recordInboundQos2(arrival);
    if (this.#isKept(arrival.session)) this.#keep({ kind: "arrived", ...numbers(arrival) });
  }

  override releaseInboundQos2(arrival: Arrival): boolean {
    const isKnown = super.releaseInboundQos2(arrival);
    if (isKnown && this.#isKept(arrival.session)) this.#keep({ kind: "completed", ...numbers(arrival) });
    return isKnown;
  }

  override retain(message: ApplicationMessage): void {
    const identity = this.nextIdentity();
    this.setRetained(message, identity);
    this.#keep({ kind: "retained", identity, message });
  }

  /** The newest, though it may not be safe yet: what is older would come behind it. */
  override retainedOn(topicName: string): ApplicationMessage | undefined {
    return this.#arriving.get(topicName) ?? super.retainedOn(topicName);
  }

  protected override setRetained(message: ApplicationMessage, identity: number): void {
    const { topic } = message;
    const previous = super.retainedOn(topic);
    if (previous) this.#liveBytes -= bytesOf(previous);
    super.setRetained(message, identity);
    if (message.payload.length === 0) this.#retainedAs.delete(topic);
    else {
      this.#liveBytes += bytesOf(message);
      this.#retainedAs.set(topic, identity);
    }
  }

  override setWill(clientId: string, will: ApplicationMessage, user: string | null = null): void {
    super.setWill(clientId, will, user);
    this.#keep(willRecord(clientId, will, user));
  }

  override clearWill(clientId: string): void {
    if (this.will(clientId)) this.#keep({ kind: "willGone", clientId });
    super.clearWill(clientId);
  }

  override onDurable(settle: DoneCallback): void {
    this.#journal.whenSafe(settle);
  }

  override async close(): Promise<void> {
    await this.#cleaner.stop();
    await this.#journal.close();
    this.#unlock();
  }

  /** A stored session that has not ended. */
  #isKept(session: Session): boolean {
    return session.isStored && this.stored(session.clientId) === session;
  }

  #keep(record: StoreRecord, written: (() => void) | null = null): void {
    this.#journal.keep(to => writeRecord(to, record), written);
  }

  #open(clientId: string, number: number, user: string | null): Session {
    const session = super.openStored(clientId, user);
    session.recordNumber = number;
    this.#lastSession = Math.max(this.#lastSession, number);
    this.#byNumber.set(number, session);
    this.#liveBytes += OVERHEAD + clientId.length;
    return session;
  }

  #subscribers(): string[] {
    const subscribed = [...this.storedSessions()].filter(({ subscriptions }) => subscriptions.size > 0);
    return subscribed.map(({ clientId }) => clientId);
  }

  #restore(replay: StoreReplay): Pick<Recovered, "sessions" | "messages" | "retained" | "wills"> {
    for (const [number, { clientId, user, ...kept }] of replay.sessions)
      if (clientId !== null) this.#restoreSession(this.#open(clientId, number, user), kept);
    this.#lastSession = replay.lastSession;
    this.lastIdentity = replay.lastIdentity;
    for (const { identity, message } of replay.retained.values()) this.setRetained(message, identity);
    for (const [clientId, { will, user }] of replay.wills) super.setWill(clientId, will, user);
    const sessions = [...this.storedSessions()];
    return {
      sessions: sessions.length,
      messages: sessions.reduce((sum, { queue }) => sum + queue.length, 0),
      retained: this.#retainedAs.size,
      wills: replay.wills.size,
    };
  }

  #restoreSession(
    session: Session,
    { subscriptions, owed, received }: Omit<ReplayedSession, "clientId" | "user">,
  ): void {
    session.isEstablished = true; // its client may know of it
    for (const [topic, qos] of subscriptions) {
      super.subscribe(session, { topic, qos });
      this.#liveBytes += OVERHEAD + topic.length;
    }
    for (const packetId of received) super.recordInboundQos2({ session, packetId });
    for (const each of owed.values()) {
      each.diskBytes = bytesOf(each.message);
      this.#liveBytes += each.diskBytes;
    }
    session.queue.restore(inOrder(owed));
  }
}

const numbers = ({ session: { recordNumber: session }, packetId }: Arrival): Arrived => ({
  session,
  packetId,
});

/** What the cleaner has written again comes late. */
function inOrder(owed: Map<number, QueuedMessage>): Map<number, QueuedMessage> {
  let last = 0;
  for (const identity of owed.keys()) {
    if (identity < last) return new Map([...owed].toSorted(([a], [b]) => a - b));
    last = identity;
  }
  return owed;
}

/** Of what a session has on disk, without its wills, about. */
function sizeOf({ clientId, subscriptions, queue }: Session): number {
  let bytes = OVERHEAD + clientId.length;
  for (const topicFilter of subscriptions.keys()) bytes += OVERHEAD + topicFilter.length;
  for (const owed of queue.values()) bytes += owed.diskBytes;
  return bytes;
}
