import type { Duplex } from "node:stream";
import type { ReachedLimit } from "../../events/events.js";
import type { ApplicationMessage } from "../message.js";
import { publishPacket, pubrelPacket } from "../../protocol/encode.js";
import type { Session } from "./session.js";
import type { QueuedMessage } from "./outbound-queue.js";
import type { Store } from "../store/store.js";
import type { SlowConsumers } from "../limits/slow-consumers.js";

/** What there is to tell of a delivery. */
export interface SenderEvents {
  delivered(topic: string, packetId: number | null): void;
  /** Left out: at QoS 0, as the client reads too slowly; limit null: since it is not the client's to receive. */
  dropped(topic: string, limit: ReachedLimit | null): void;
  /** What was queued for a client may not be its to receive any more. */
  mayReceive(topic: string): boolean;
}

/** Sends one client what its session is owed, in order, at the pace at which it reads and acknowledges. */
export class Sender {
  readonly #socket: Duplex;
  readonly #session: Session;
  readonly #store: Store;
  readonly #unread: SlowConsumers;
  readonly #witness: SenderEvents;
  /** How much of that is this client's. */
  #unreadBytes = 0;
  #corked = false;
  #waiting = false;
  /** Packet identifiers are not safe yet: nothing is sent before they are. */
  #isNumbering = false;

  constructor(socket: Duplex, session: Session, store: Store, unread: SlowConsumers, witness: SenderEvents) {
    this.#socket = socket;
    this.#session = session;
    this.#store = store;
    this.#unread = unread;
    this.#witness = witness;
    session.delivery = this;
    session.queue.connect();
    this.#number([]); // those of an earlier connection may not be safe yet
  }

  /** The connection is over. */
  end(): void {
    this.#countUnread(0);
    if (this.#session.delivery !== this) return;
    this.#session.delivery = null;
    this.#session.queue.disconnect();
  }

  /** Sends what may be sent now. */
  pump(): void {
    const { queue } = this.#session;
    while (!this.#isNumbering && this.#isFree()) {
      const next = queue.next();
      if (next) this.#send(next.owed, next.packetId, next.again);
      else {
        const numbered = queue.assignPacketIds();
        if (numbered.length === 0) return;
        this.#number(numbered);
      }
    }
  }

  /** A client may acknowledge what it was sent after the broker has died: so it is known before it is sent. */
  #number(owed: QueuedMessage[]): void {
    this.#isNumbering = true;
    this.#store.recordPacketIds(this.#session, owed, () => {
      this.#isNumbering = false;
      if (this.#session.delivery === this) this.pump();
    });
  }

  /** At QoS 0: now, or not at all. */
  sendOnce(message: ApplicationMessage, retain: boolean): void {
    const { topic, payload } = message;
    if (!this.#socket.writable) return;
    const limit = this.#unread.past(this.#socket.writableLength, !this.#socket.writableNeedDrain);
    if (limit) return this.#witness.dropped(topic, limit);
    this.#write(publishPacket({ topic, payload, qos: 0, retain, dup: false, packetId: null }));
    this.#witness.delivered(topic, null);
  }

  /** Kept when the client has read enough for more, or is gone. */
  async drained(): Promise<void> {
    if (!this.#socket.writable || !this.#socket.writableNeedDrain) return;
    await new Promise<void>(resolve => {
      const goOn = () => {
        this.#socket.off("drain", goOn).off("close", goOn);
        resolve();
      };
      this.#socket.on("drain", goOn).on("close", goOn);
    });
  }

  #send(
    { message: { topic, payload }, qos, retain, released }: QueuedMessage,
    packetId: number,
    again: boolean,
  ): void {
    if (released) return this.#write(pubrelPacket(packetId)); // [MQTT-4.4.0-1]
    if (!this.#witness.mayReceive(topic)) {
      this.#store.acknowledged(this.#session, packetId); // nothing is owed of it any more
      return this.#witness.dropped(topic, null);
    }
    // DUP says that this is not the first attempt [MQTT-3.3.1-1].
    this.#write(publishPacket({ topic, payload, qos, retain, dup: again, packetId }));
    this.#witness.delivered(topic, packetId);
  }

  /** Whether the socket takes more; when it does again, the rest is sent. */
  #isFree(): boolean {
    if (!this.#socket.writable) return false;
    if (!this.#socket.writableNeedDrain) return true;
    if (!this.#waiting) {
      this.#waiting = true;
      this.#socket.once("drain", () => {
        this.#waiting = false;
        if (this.#session.delivery === this) this.pump();
      });
    }
    return false;
  }

  /**
   * What is written in one turn of the event loop leaves together, or as soon as it fills the socket's buffer: of the
   * time in which a thousand machines vanish, a third went into one write for each will.
   */
  #write(packet: Buffer): void {
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      setImmediate(() => this.#uncork());
    }
    if (this.#socket.write(packet)) return;
    this.#uncork();
    if (this.#unreadBytes === 0) this.#socket.once("drain", () => this.#countUnread(0));
    this.#countUnread(this.#socket.writableLength);
  }

  #uncork(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.#socket.uncork();
  }

  #countUnread(bytes: number): void {
    this.#unread.bytes += bytes - this.#unreadBytes;
    this.#unreadBytes = bytes;
  }
}
