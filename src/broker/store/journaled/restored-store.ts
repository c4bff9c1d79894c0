import type { ApplicationMessage } from "../../message.js";
import type { QueuedMessage } from "../../session/outbound-queue.js";
import type { Session } from "../../session/session.js";
import { MemoryStore, type PlannedMessage } from "../memory-store.js";
import type { LiveState } from "./live-records.js";
import { bytesOf, RECORD_OVERHEAD_BYTES } from "./record-sizes.js";
import type { Recovered } from "./recovery.js";
import type { ReplayedSession, StoreReplay } from "./replay.js";

/** The memory of a journaled store. It is restored from records, and counts the bytes that the journal must hold. */
export class RestoredStore extends MemoryStore {
  protected lastSession = 0;
  /** Approximate bytes of all that is stored, if each record were written once. */
  protected liveBytes = 0;
  protected readonly byNumber = new Map<number, Session>();
  /** Messages to retain that are not durable yet, by topic. */
  protected readonly pendingRetained = new Map<string, ApplicationMessage>();
  readonly #retainedIdentities = new Map<string, number>();
  protected readonly liveState: LiveState = {
    session: number => this.byNumber.get(number),
    will: clientId => this.storedWill(clientId),
    retainedIdentity: topic => this.#retainedIdentities.get(topic),
    isRetainedPending: topic => this.pendingRetained.has(topic),
  };

  protected openNumbered(clientId: string, number: number, user: string | null): Session {
    const session = super.openStored(clientId, user);
    session.recordNumber = number;
    this.lastSession = Math.max(this.lastSession, number);
    this.byNumber.set(number, session);
    this.liveBytes += RECORD_OVERHEAD_BYTES + clientId.length;
    return session;
  }

  protected isStored(session: Session): boolean {
    return session.isStored && this.storedSession(session.clientId) === session;
  }

  protected override enter(plan: PlannedMessage): void {
    super.enter(plan);
    this.endPending(plan.message);
    for (const { session, queued } of plan.targets)
      if (queued && this.isStored(session)) this.liveBytes += queued.diskBytes;
  }

  protected endPending(message: ApplicationMessage): void {
    if (this.pendingRetained.get(message.topic) === message) this.pendingRetained.delete(message.topic);
  }

  /** Returns the newest, though it may not be durable yet: an older one would be delivered after it. */
  override retainedOn(topicName: string): ApplicationMessage | undefined {
    return this.pendingRetained.get(topicName) ?? super.retainedOn(topicName);
  }

  protected override setRetained(message: ApplicationMessage, identity: number): void {
    const { topic } = message;
    const previous = super.retainedOn(topic);
    if (previous) this.liveBytes -= bytesOf(previous);
    super.setRetained(message, identity);
    if (message.payload.length === 0) this.#retainedIdentities.delete(topic);
    else {
      this.liveBytes += bytesOf(message);
      this.#retainedIdentities.set(topic, identity);
    }
  }

  protected restore(replay: StoreReplay): Pick<Recovered, "sessions" | "messages" | "retained" | "wills"> {
    for (const [number, { clientId, user, ...state }] of replay.sessions)
      if (clientId !== null) this.#restoreSession(this.openNumbered(clientId, number, user), state);
    this.lastSession = replay.lastSession;
    this.lastIdentity = replay.lastIdentity;
    for (const { identity, message } of replay.retained.values()) this.setRetained(message, identity);
    for (const [clientId, { will, user }] of replay.wills) super.setWill(clientId, will, user);
    const sessions = [...this.storedSessions()];
    return {
      sessions: sessions.length,
      messages: sessions.reduce((sum, { queue }) => sum + queue.length, 0),
      retained: this.#retainedIdentities.size,
      wills: replay.wills.size,
    };
  }

  #restoreSession(
    session: Session,
    { subscriptions, queued, inboundQos2 }: Omit<ReplayedSession, "clientId" | "user">,
  ): void {
    session.isEstablished = true; // its client may have received the CONNACK
    for (const [topic, qos] of subscriptions) {
      super.subscribe(session, { topic, qos });
      this.liveBytes += RECORD_OVERHEAD_BYTES + topic.length;
    }
    for (const packetId of inboundQos2) super.recordInboundQos2({ session, packetId });
    for (const each of queued.values()) {
      each.diskBytes = bytesOf(each.message);
      this.liveBytes += each.diskBytes;
    }
    session.queue.restore(inOrder(queued));
  }

  /** Returns the client IDs of the stored sessions with a subscription. */
  protected subscribers(): string[] {
    const subscribed = [...this.storedSessions()].filter(({ subscriptions }) => subscriptions.size > 0);
    return subscribed.map(({ clientId }) => clientId);
  }
}

/** Sorts the messages if the compactor has moved one to the end. */
function inOrder(queued: Map<number, QueuedMessage>): Map<number, QueuedMessage> {
  let last = 0;
  for (const identity of queued.keys()) {
    if (identity < last) return new Map([...queued].toSorted(([a], [b]) => a - b));
    last = identity;
  }
  return queued;
}
