import { Readable } from "node:stream";
import type { ApplicationMessage } from "../message.js";
import type { ProtocolHandlers } from "../protocol-engine.js";

/** aedes asks for subscriptions to learn whether there is a session: this one answers yes, and subscribes to nothing. */
const SESSION_PRESENT = { topic: "$session-present", qos: 0 } as const;

export const isSessionMarker = (subscription: object): boolean => subscription === SESSION_PRESENT;

/** The subset of aedes-persistence 10 that aedes calls here, on top of our handlers, which store and send messages. */
export class Persistence<C> {
  readonly #handlers: ProtocolHandlers<C>;
  readonly #connectionOf: (client: object) => C;

  constructor(handlers: ProtocolHandlers<C>, connectionOf: (client: object) => C) {
    this.#handlers = handlers;
    this.#connectionOf = connectionOf;
  }

  /** aedes demands an async function. */
  async setup(): Promise<void> {}

  /** The session resumes with its subscriptions, none included [MQTT-3.2.2-2]: aedes need not restore them. */
  async subscriptionsByClient({ id }: { id: string }): Promise<object[]> {
    return this.#handlers.isSessionPresent(id) ? [SESSION_PRESENT] : [];
  }

  /** Called for a CONNECT with clean session 1. */
  cleanSubscriptions({ id }: { id: string }): Promise<void> {
    return this.#handlers.endStoredSession(id);
  }

  /** Does nothing: `onSubscribe` has stored each authorized subscription. */
  async addSubscriptions(): Promise<void> {}

  /** Called before UNSUBACK if the session is a stored one. */
  async removeSubscriptions(client: object, topicFilters: string[]): Promise<void> {
    this.#handlers.onUnsubscribe(this.#connectionOf(client), topicFilters);
    await this.#durable();
  }

  /** Finds nothing: our own sender sends retained messages. */
  createRetainedStreamCombi(): Readable {
    return Readable.from([]);
  }

  /** Finds nothing: our own sender sends queued messages. */
  outgoingStream(): Readable {
    return Readable.from([]);
  }

  /** Called for PUBREC, which `checkAcknowledgment` has recorded, if the session is a stored one. */
  outgoingUpdate(): Promise<void> {
    return this.#durable();
  }

  /** Called for PUBACK and PUBCOMP. */
  async outgoingClearMessageId(client: object, { messageId = 0 }: { messageId?: number }): Promise<void> {
    this.#handlers.onAck(this.#connectionOf(client), messageId);
  }

  /** Knows every packet: `onPublish` has taken each QoS 2 message once, and `onRelease` ignores unknown ones. */
  async incomingGetPacket(_client: object, packet: object): Promise<object> {
    return packet;
  }

  /** Called for PUBREL. */
  incomingDelPacket(client: object, { messageId = 0 }: { messageId?: number }): Promise<void> {
    return this.#handlers.onRelease(this.#connectionOf(client), messageId);
  }

  putWill(client: object, will: ApplicationMessage): Promise<void> {
    return this.#handlers.storeWill(this.#connectionOf(client), will);
  }

  /** Does nothing: aedes may mean the will of an older connection. Each connection clears its own. */
  async delWill(): Promise<void> {}

  #durable(): Promise<void> {
    return new Promise((resolve, reject) =>
      this.#handlers.onDurable(error => (error ? reject(error) : resolve())),
    );
  }
}
