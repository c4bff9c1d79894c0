import type { Duplex } from "node:stream";
import type { ReachedLimit } from "../../events/events.js";
import type { ApplicationMessage } from "../message.js";
import { publishPacket, pubrelPacket } from "../../protocol/encode.js";
import type { Session, SessionSender } from "./session.js";
import type { QueuedMessage } from "./outbound-queue.js";
import type { Store } from "../store/store.js";
import type { SlowConsumers } from "../limits/slow-consumers.js";

export interface SenderEvents {
  onDelivered(topic: string, packetId: number | null): void;
  /** @param limit the limit that a slow reader has reached; null if the client may not receive the message */
  onDropped(topic: string, limit: ReachedLimit | null): void;
  /** Checked when a queued message is sent: rights may have changed since it was queued. */
  mayReceive(topic: string): boolean;
}

/** Sends one client the messages of its session, in order, as fast as the client reads and acknowledges. */
export class Sender implements SessionSender {
  readonly #stream: Duplex;
  readonly #session: Session;
  readonly #store: Store;
  readonly #slowConsumers: SlowConsumers;
  readonly #events: SenderEvents;
  /** This client's part of the bytes that slow consumers have not read. */
  #unreadBytes = 0;
  #isCorked = false;
  #awaitsDrain = false;
  /** Nothing is sent until the packet identifiers are durable. */
  #isRecordingIds = false;

  constructor(
    stream: Duplex,
    session: Session,
    store: Store,
    slowConsumers: SlowConsumers,
    events: SenderEvents,
  ) {
    this.#stream = stream;
    this.#session = session;
    this.#store = store;
    this.#slowConsumers = slowConsumers;
    this.#events = events;
    session.sender = this;
    session.queue.connect();
    this.#recordPacketIds([]); // those of an earlier connection may not be durable yet
  }

  /** Detaches the session from the connection that has ended. */
  end(): void {
    this.#countUnread(0);
    if (!this.isAttached) return;
    this.#session.sender = null;
    this.#session.queue.disconnect();
  }

  /** False once the connection has ended. */
  get isAttached(): boolean {
    return this.#session.sender === this;
  }

  pump(): void {
    const { queue } = this.#session;
    while (!this.#isRecordingIds && this.#takesMore()) {
      const next = queue.next();
      if (next) this.#send(next.queued, next.packetId, next.dup);
      else {
        const assigned = queue.assignPacketIds();
        if (assigned.length === 0) return;
        this.#recordPacketIds(assigned);
      }
    }
  }

  /** A client may acknowledge a message after the broker has crashed: its packet identifier is durable before it is sent. */
  #recordPacketIds(messages: QueuedMessage[]): void {
    this.#isRecordingIds = true;
    this.#store.recordPacketIds(this.#session, messages, () => {
      this.#isRecordingIds = false;
      if (this.isAttached) this.pump();
    });
  }

  sendOnce(message: ApplicationMessage, retain: boolean): void {
    const { topic, payload } = message;
    if (!this.#stream.writable) return;
    const limit = this.#slowConsumers.reachedLimit(
      this.#stream.writableLength,
      !this.#stream.writableNeedDrain,
    );
    if (limit) return this.#events.onDropped(topic, limit);
    this.#write(publishPacket({ topic, payload, qos: 0, retain, dup: false, packetId: null }));
    this.#events.onDelivered(topic, null);
  }

  /** Resolves when the client has read enough for more, or its connection has ended. */
  async drained(): Promise<void> {
    if (!this.#stream.writable || !this.#stream.writableNeedDrain) return;
    await new Promise<void>(resolve => {
      const goOn = () => {
        this.#stream.off("drain", goOn).off("close", goOn);
        resolve();
      };
      this.#stream.on("drain", goOn).on("close", goOn);
    });
  }

  #send(
    { message: { topic, payload }, qos, retain, isReleased }: QueuedMessage,
    packetId: number,
    dup: boolean,
  ): void {
    if (isReleased) return this.#write(pubrelPacket(packetId)); // [MQTT-4.4.0-1]
    if (!this.#events.mayReceive(topic)) {
      this.#store.acknowledge(this.#session, packetId);
      return this.#events.onDropped(topic, null);
    }
    // DUP marks a repeated attempt [MQTT-3.3.1-1].
    this.#write(publishPacket({ topic, payload, qos, retain, dup, packetId }));
    this.#events.onDelivered(topic, packetId);
  }

  /** False until the stream drains; then the rest is sent. */
  #takesMore(): boolean {
    if (!this.#stream.writable) return false;
    if (!this.#stream.writableNeedDrain) return true;
    if (!this.#awaitsDrain) {
      this.#awaitsDrain = true;
      this.#stream.once("drain", () => {
        this.#awaitsDrain = false;
        if (this.isAttached) this.pump();
      });
    }
    return false;
  }

  /**
   * Joins the packets of one turn of the event loop, up to the size of the stream's buffer. When a thousand machines
   * vanish, one write for each will took a third of the time.
   */
  #write(packet: Buffer): void {
    if (!this.#isCorked) {
      this.#isCorked = true;
      this.#stream.cork();
      setImmediate(() => this.#uncork());
    }
    if (this.#stream.write(packet)) return;
    this.#uncork();
    if (this.#unreadBytes === 0) this.#stream.once("drain", () => this.#countUnread(0));
    this.#countUnread(this.#stream.writableLength);
  }

  #uncork(): void {
    if (!this.#isCorked) return;
    this.#isCorked = false;
    this.#stream.uncork();
  }

  #countUnread(bytes: number): void {
    this.#slowConsumers.bytes += bytes - this.#unreadBytes;
    this.#unreadBytes = bytes;
  }
}
