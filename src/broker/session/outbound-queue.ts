import { MAX_IN_FLIGHT } from "../limits/limits.js";
import type { ApplicationMessage } from "../message.js";

/** A message at QoS 1 or 2 that a session has not acknowledged. */
export interface QueuedMessage {
  /** Of the message at this broker; ascending in the order of acceptance. */
  readonly identity: number;
  readonly message: ApplicationMessage;
  readonly qos: 1 | 2;
  /** 1 for what a new subscription finds retained, 0 for what came while it was there [MQTT-3.3.1-8, 3.3.1-9]. */
  readonly retain: boolean;
  /** Null until it may be sent. */
  packetId: number | null;
  /** It was sent, or may have been: by this broker, or by one that died. */
  sent: boolean;
  /** PUBREC has come: only PUBREL is owed. */
  released: boolean;
  /** It was sent on the present connection. */
  inFlight: boolean;
  /** What it takes on disk; 0 where it is not there. */
  bytes: number;
}

/** Packet identifiers are 1 to 65 535 (MQTT 3.1.1, 2.3.1). */
const MOST_PACKET_ID = 65_535;

const FORGET_FROM = 1024;
/** Found at once, of those that are given up when there are too many. */
const MOST_OLDEST = 1024;

/** Bytes of memory that a queued message takes beside its topic and payload: measured, with 200 000 of them, 360. */
const OVERHEAD = 400;

const memoryOf = ({ message: { topic, payload } }: QueuedMessage) => OVERHEAD + topic.length + payload.length;

/** What the broker still owes one session, in the order in which it is to be sent. */
export class OutboundQueue {
  #owed = new Map<number, QueuedMessage>();
  readonly #byPacketId = new Map<number, QueuedMessage>();
  /** What the present connection has still to send, from #next on; null without a connection. */
  #unsent: QueuedMessage[] | null = null;
  #next = 0;
  #inFlight = 0;
  #lastPacketId = 0;
  /** Have no packet identifier yet; those that are not entered yet count too. */
  #unnumbered = 0;
  /** Identities of what is given up next, the oldest last; some may have been sent since they were found. */
  #oldest: number[] = [];
  #bytes = 0;
  #held: { queuedBytes: number };

  /** @param held where what all queues take is added up */
  constructor(held = { queuedBytes: 0 }) {
    this.#held = held;
  }

  /** About what it takes in memory. */
  get bytes(): number {
    return this.#bytes;
  }

  get length(): number {
    return this.#owed.size;
  }

  /** Sent on the present connection, and not acknowledged. */
  get inFlight(): number {
    return this.#inFlight;
  }

  values(): Iterable<QueuedMessage> {
    return this.#owed.values();
  }

  get(identity: number): QueuedMessage | undefined {
    return this.#owed.get(identity);
  }

  add(identity: number, message: ApplicationMessage, qos: 1 | 2, retain: boolean): QueuedMessage {
    const owed = this.prepare(identity, message, qos, retain);
    this.enter(owed);
    return owed;
  }

  /** What is to be entered when it is safe: with a packet identifier where it can be sent then. */
  prepare(identity: number, message: ApplicationMessage, qos: 1 | 2, retain: boolean): QueuedMessage {
    const isNext = this.#unsent !== null && this.#unnumbered === 0 && this.#byPacketId.size < MAX_IN_FLIGHT;
    const owed: QueuedMessage = {
      identity,
      message,
      qos,
      retain,
      packetId: null,
      sent: false,
      released: false,
      inFlight: false,
      bytes: 0,
    };
    this.#unnumbered += 1;
    if (isNext) this.assignPacketId(owed, this.#newPacketId());
    return owed;
  }

  enter(owed: QueuedMessage): void {
    this.#owed.set(owed.identity, owed);
    this.#add(memoryOf(owed));
    this.#unsent?.push(owed);
  }

  /** It was prepared, and is not going to be entered. */
  abandon(owed: QueuedMessage): void {
    if (owed.packetId === null) this.#unnumbered -= 1;
    else this.#byPacketId.delete(owed.packetId);
  }

  /** As a broker that died has left it. The map is the queue's own from then on: to fill another takes 0.5 µs a message. */
  restore(owed: Map<number, QueuedMessage>): void {
    this.#owed = owed;
    for (const each of owed.values()) {
      this.#add(memoryOf(each));
      if (each.packetId === null) this.#unnumbered += 1;
      else this.#restoreNumbered(each, each.packetId);
    }
  }

  /** The session has ended: what it takes is about to go. */
  leave(): void {
    this.#held.queuedBytes -= this.#bytes;
    this.#held = { queuedBytes: 0 };
    this.#bytes = 0;
  }

  /** A connection begins: everything is to be sent on it, what was sent on an earlier one first. */
  connect(): void {
    this.#unsent = [...this.#owed.values()];
    this.#next = 0;
    this.#inFlight = 0;
    for (const owed of this.#unsent) owed.inFlight = false;
  }

  disconnect(): void {
    this.#unsent = null;
  }

  /** The next to send; null when there is none that has a packet identifier. `again`: it was sent before. */
  next(): { owed: QueuedMessage; packetId: number; again: boolean } | null {
    const owed = this.#firstUnsent();
    this.#forgetPassed();
    if (!owed || owed.packetId === null) return null;
    this.#next += 1;
    const again = owed.sent;
    owed.sent = true;
    owed.inFlight = true;
    this.#inFlight += 1;
    return { owed, packetId: owed.packetId, again };
  }

  /** When nothing is left that has a packet identifier: as many get one as may be on their way. @returns these */
  assignPacketIds(): QueuedMessage[] {
    const numbered: QueuedMessage[] = [];
    const unsent = this.#unsent ?? [];
    for (let i = this.#next; i < unsent.length && this.#byPacketId.size < MAX_IN_FLIGHT; i++) {
      const owed = unsent[i];
      if (!owed || owed.packetId !== null || !this.#owed.has(owed.identity)) continue;
      this.assignPacketId(owed, this.#newPacketId());
      numbered.push(owed);
    }
    return numbered;
  }

  /** From now on it goes by this packet identifier. */
  assignPacketId(owed: QueuedMessage, packetId: number): void {
    if (owed.packetId === null) this.#unnumbered -= 1;
    owed.packetId = packetId;
    this.#byPacketId.set(packetId, owed);
  }

  /** PUBREC has come. @returns false when no such message is owed */
  received(packetId: number): boolean {
    const owed = this.#byPacketId.get(packetId);
    if (owed?.qos !== 2) return false;
    owed.released = true;
    return true;
  }

  /** What was sent under that packet identifier. */
  sentAs(packetId: number): QueuedMessage | undefined {
    return this.#byPacketId.get(packetId);
  }

  /** PUBACK or PUBCOMP has come: nothing is owed any more. */
  acknowledged(packetId: number): QueuedMessage | null {
    const owed = this.#byPacketId.get(packetId);
    if (owed) this.#remove(owed);
    return owed ?? null;
  }

  /** Gives up the oldest that was never sent, since the client may know the others; these where nothing else is left. */
  dropOldest(sentToo = false): QueuedMessage | null {
    const [first = null] = sentToo ? this.#owed.values() : [];
    const owed = this.#oldestUnsent() ?? first;
    if (!owed) return null;
    this.#remove(owed);
    this.#forgetDropped();
    return owed;
  }

  /**
   * Many are found at once: each one would pass whatever was sent, and the gaps that others have left in the map. That
   * took 9 to 21 µs a message, this way 2 to 4.
   */
  #oldestUnsent(): QueuedMessage | null {
    for (;;) {
      if (this.#oldest.length === 0) this.#oldest = this.#findOldest();
      const identity = this.#oldest.pop();
      if (identity === undefined) return null;
      const owed = this.#owed.get(identity);
      if (owed && !owed.sent) return owed;
    }
  }

  #findOldest(): number[] {
    const found: number[] = [];
    for (const { identity, sent } of this.#owed.values()) {
      if (!sent) found.push(identity);
      if (found.length === MOST_OLDEST) break;
    }
    return found.toReversed();
  }

  /** What has been given up would else stay until a client that does not read or acknowledge is sent the next. */
  #forgetDropped(): void {
    const unsent = this.#unsent;
    if (!unsent || unsent.length - this.#next < 2 * this.#owed.size + FORGET_FROM) return;
    this.#unsent = unsent.slice(this.#next).filter(owed => this.#owed.get(owed.identity) === owed);
    this.#next = 0;
  }

  #add(bytes: number): void {
    this.#bytes += bytes;
    this.#held.queuedBytes += bytes;
  }

  #restoreNumbered(owed: QueuedMessage, packetId: number): void {
    owed.sent = true;
    this.#byPacketId.set(packetId, owed);
    this.#lastPacketId = packetId;
  }

  #firstUnsent(): QueuedMessage | null {
    const unsent = this.#unsent ?? [];
    for (; this.#next < unsent.length; this.#next++) {
      const owed = unsent[this.#next];
      if (owed && this.#owed.get(owed.identity) === owed) return owed;
    }
    if (unsent.length > 0) this.#unsent = [];
    this.#next = 0;
    return null;
  }

  /** What has been sent or given up goes, now and then; each one at once would move all the others. */
  #forgetPassed(): void {
    const unsent = this.#unsent ?? [];
    if (this.#next < FORGET_FROM || this.#next * 2 < unsent.length) return;
    unsent.splice(0, this.#next);
    this.#next = 0;
  }

  #remove(owed: QueuedMessage): void {
    this.#owed.delete(owed.identity);
    this.#add(-memoryOf(owed));
    this.abandon(owed);
    if (owed.inFlight) this.#inFlight -= 1;
  }

  /** One that is not in use [MQTT-2.3.1-4]; never more are in flight than there are of them. */
  #newPacketId(): number {
    do this.#lastPacketId = (this.#lastPacketId % MOST_PACKET_ID) + 1;
    while (this.#byPacketId.has(this.#lastPacketId));
    return this.#lastPacketId;
  }
}
