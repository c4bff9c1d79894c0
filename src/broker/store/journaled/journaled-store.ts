import { lockDir } from "../../../storage/dir-lock.js";
import type { Journal } from "../../../storage/journal.js";
import type { DoneCallback } from "../../../util/done-callback.js";
import type { ApplicationMessage } from "../../message.js";
import type { QueuedMessage } from "../../session/outbound-queue.js";
import type { Session, StoredSubscription } from "../../session/session.js";
import type { PlannedMessage } from "../memory-store.js";
import type { AcceptCallback, InboundQos2, Origin } from "../store.js";
import { Compactor } from "./compactor.js";
import { liveRecord, queuedRecord, sessionRecord, willRecord } from "./live-records.js";
import {
  type InboundQos2Record,
  type QueuedRecord,
  type RecordOf,
  type StoreRecord,
  writeRecord,
} from "./record-codec.js";
import { bytesOf, RECORD_OVERHEAD_BYTES, sessionBytes } from "./record-sizes.js";
import { type DataSettings, loadJournal, type Recovered, type StoreEvents } from "./recovery.js";
import { RestoredStore } from "./restored-store.js";

const USER = { command: "lwt-broker", option: "--data" };

/**
 * The store in memory behind a journal. A message is queued and retained when its record is durable. Every other change
 * applies at once, and is recorded in the same order.
 */
export class JournaledStore extends RestoredStore {
  override readonly folder: string;
  readonly #journal: Journal;
  readonly #compactor: Compactor;
  readonly #unlock: () => void;

  private constructor(folder: string, journal: Journal, events: StoreEvents, unlock: () => void) {
    super();
    this.folder = folder;
    this.#journal = journal;
    this.#unlock = unlock;
    this.#compactor = new Compactor(journal, {
      liveBytes: () => this.liveBytes,
      liveRecord: (record, once) => liveRecord(record, this.liveState, once),
      onDamaged: error => events.onDamaged(error),
    });
    journal.onWritten = () => this.#compactor.check();
  }

  /**
   * @throws UserError `store-in-use`, `store-damaged` or `store-format`
   * @throws Error the system's, if the folder cannot be used
   */
  static async open(
    settings: DataSettings,
    events: StoreEvents,
  ): Promise<{ store: JournaledStore; recovered: Recovered }> {
    const { folder } = settings;
    const unlock = await lockDir(folder, USER);
    try {
      const { journal, replay, repairs, ...found } = await loadJournal(settings, USER.option, events);
      const store = new JournaledStore(folder, journal, events, unlock);
      const counts = store.restore(replay);
      for (const record of repairs) store.#append(record);
      await new Promise<void>(resolve => journal.onAppended(resolve));
      const affectedClients = found.leftOut.length > 0 ? store.subscribers() : [];
      return { store, recovered: { ...counts, ...found, affectedClients } };
    } catch (error) {
      unlock();
      throw error;
    }
  }

  override openStored(clientId: string, user: string | null = null): Session {
    const known = this.storedSession(clientId);
    if (known && (known.user !== null || user === null)) return known;
    const session = known
      ? super.openStored(clientId, user)
      : this.openNumbered(clientId, this.lastSession + 1, user);
    this.#append(sessionRecord(session));
    return session;
  }

  override end(session: Session): void {
    if (this.isStored(session)) {
      this.byNumber.delete(session.recordNumber);
      this.liveBytes -= sessionBytes(session);
      this.#append({ kind: "ended", session: session.recordNumber });
    }
    super.end(session);
  }

  override subscribe(session: Session, subscription: StoredSubscription): void {
    const { topic: topicFilter, qos } = subscription;
    const isNew = !session.subscriptions.has(topicFilter);
    super.subscribe(session, subscription);
    if (!this.isStored(session)) return;
    if (isNew) this.liveBytes += RECORD_OVERHEAD_BYTES + topicFilter.length;
    this.#append({ kind: "subscribed", session: session.recordNumber, topicFilter, qos });
  }

  override unsubscribe(session: Session, topicFilter: string): void {
    if (this.isStored(session) && session.subscriptions.has(topicFilter)) {
      this.liveBytes -= RECORD_OVERHEAD_BYTES + topicFilter.length;
      this.#append({ kind: "unsubscribed", session: session.recordNumber, topicFilter });
    }
    super.unsubscribe(session, topicFilter);
  }

  override accept(message: ApplicationMessage, origin: Origin | null, accepted: AcceptCallback): void {
    const isWill = origin !== null && "willOf" in origin;
    const willOf = isWill && this.will(origin.willOf) === origin.will ? origin.willOf : null;
    const plan = this.plan(message, origin);
    if (message.retain) this.pendingRetained.set(message.topic, message);
    const record = this.#acceptance(plan, willOf);
    const enter = () => {
      this.enter(plan);
      accepted(plan.targets, null);
    };
    // Nothing to record, but the messages before it are entered first.
    if (!record) return this.#journal.onDurable(enter);
    if (isWill) return this.#append(record, enter);
    this.#journal.offer(
      to => writeRecord(to, record),
      error => {
        if (!error) return enter();
        this.#discard(plan);
        accepted([], error);
      },
    );
  }

  /** Returns null if nothing of the message outlives the broker. */
  #acceptance(
    { identity, message, origin, targets }: PlannedMessage,
    willOf: string | null,
  ): RecordOf<"accepted"> | null {
    const stored: QueuedRecord[] = [];
    for (const { session, queued } of targets)
      if (queued && this.isStored(session)) stored.push(queuedRecord(session, queued));
    const inboundQos2 =
      origin && "packetId" in origin && this.isStored(origin.session) ? inboundRecord(origin) : null;
    const { retain: isRetained } = message;
    if (stored.length === 0 && !inboundQos2 && !isRetained && willOf === null) return null;
    // All targets share one record.
    for (const { queued } of targets) if (queued) queued.diskBytes = bytesOf(message) / stored.length;
    return { kind: "accepted", identity, message, isRetained, inboundQos2, willOf, queued: stored };
  }

  #discard({ message, origin, targets }: PlannedMessage): void {
    this.endPending(message);
    for (const { session, queued } of targets) if (queued) session.queue.releasePacketId(queued);
    if (origin && "packetId" in origin) this.releaseInboundQos2(origin);
  }

  override enqueue(
    session: Session,
    message: ApplicationMessage,
    qos: 1 | 2,
    retain: boolean,
    enqueued: () => void,
    identity = this.nextIdentity(),
  ): void {
    const queued = session.queue.prepare(identity, message, qos, retain);
    const plan: PlannedMessage = { identity, message, origin: null, targets: [{ session, queued }] };
    const enter = () => {
      session.queue.enter(queued);
      if (this.isStored(session)) this.liveBytes += queued.diskBytes;
      enqueued();
    };
    const record = this.#acceptance(plan, null);
    if (record) this.#append({ ...record, isRetained: false }, enter);
    else this.#journal.onAppended(enter);
  }

  override recordPacketIds(session: Session, messages: QueuedMessage[], recorded: () => void): void {
    const { recordNumber: number } = session;
    if (messages.length === 0 || !this.isStored(session)) return this.#journal.onAppended(recorded);
    this.#journal.append(to => {
      for (const { identity, packetId } of messages)
        writeRecord(to, { kind: "packetIdAssigned", session: number, identity, packetId: packetId ?? 0 });
    }, recorded);
  }

  override markReleased(session: Session, packetId: number): boolean {
    const queued = session.queue.sentAs(packetId);
    const isNew = queued?.isReleased === false;
    const isQueued = super.markReleased(session, packetId);
    if (isQueued && queued && isNew && this.isStored(session))
      this.#append({ kind: "released", session: session.recordNumber, identity: queued.identity });
    return isQueued;
  }

  override acknowledge(session: Session, packetId: number): QueuedMessage | null {
    return this.#recordRemoval(session, super.acknowledge(session, packetId));
  }

  override dropOldest(session: Session, sentToo = false): QueuedMessage | null {
    return this.#recordRemoval(session, super.dropOldest(session, sentToo));
  }

  #recordRemoval(session: Session, removed: QueuedMessage | null): QueuedMessage | null {
    if (removed && this.isStored(session)) {
      this.liveBytes -= removed.diskBytes;
      const { recordNumber: number } = session;
      this.#journal.appendSoon(to =>
        writeRecord(to, { kind: "dequeued", session: number, identity: removed.identity }),
      );
    }
    return removed;
  }

  override recordInboundQos2(inbound: InboundQos2): void {
    super.recordInboundQos2(inbound);
    if (this.isStored(inbound.session)) this.#append({ kind: "inboundQos2", ...inboundRecord(inbound) });
  }

  override releaseInboundQos2(inbound: InboundQos2): boolean {
    const isKnown = super.releaseInboundQos2(inbound);
    if (isKnown && this.isStored(inbound.session))
      this.#append({ kind: "inboundQos2Released", ...inboundRecord(inbound) });
    return isKnown;
  }

  override setWill(clientId: string, will: ApplicationMessage, user: string | null = null): void {
    super.setWill(clientId, will, user);
    this.#append(willRecord(clientId, will, user));
  }

  override clearWill(clientId: string): void {
    if (this.will(clientId)) this.#append({ kind: "willCleared", clientId });
    super.clearWill(clientId);
  }

  override onDurable(done: DoneCallback): void {
    this.#journal.onDurable(done);
  }

  override async close(): Promise<void> {
    await this.#compactor.stop();
    await this.#journal.close();
    this.#unlock();
  }

  #append(record: StoreRecord, written: (() => void) | null = null): void {
    this.#journal.append(to => writeRecord(to, record), written);
  }
}

const inboundRecord = ({ session: { recordNumber: session }, packetId }: InboundQos2): InboundQos2Record => ({
  session,
  packetId,
});
