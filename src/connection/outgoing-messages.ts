import type { MqttClient } from "mqtt";
import type { ClientEvent, Granted, Sink } from "../events/events.js";
import type { Outbox } from "../outbox/outbox.js";
import { deferred } from "../util/async.js";
import { notAcknowledged } from "./connection-errors.js";
import { FlowControl } from "./flow-control.js";
import { InFlightStore } from "./in-flight-store.js";
import { forgetAllInFlight, isPacketIdInUse, sendWithoutStoring } from "./mqtt-internals.js";
import { OutboxPublisher } from "./outbox-publisher.js";
import { PacketIdentifiers } from "./packet-identifiers.js";
import { type Message, PublishQueue, type ReasonReader } from "./publish-queue.js";
import { Qos2Recovery } from "./qos2-recovery.js";

interface ConnectionContext {
  sink: Sink<ClientEvent>;
  readReason: ReasonReader;
  client: () => MqttClient;
  isConnected: () => boolean;
  isOver: () => boolean;
}

/** The publications of a client over all its reconnections. */
export class OutgoingMessages {
  readonly store: InFlightStore;
  readonly identifiers: PacketIdentifiers;
  /** Resolves when messages can be sent. */
  #ready = deferred();
  readonly #queue: PublishQueue;
  readonly #outbox: OutboxPublisher | null;
  readonly #flowControl: FlowControl;
  readonly #qos2Recovery = new Qos2Recovery(packetId => this.#sendPubrel(packetId));

  constructor(
    outbox: Outbox | undefined,
    private readonly context: ConnectionContext,
  ) {
    const { client, sink, readReason } = context;
    this.identifiers = new PacketIdentifiers(packetId => isPacketIdInUse(client(), packetId));
    this.#flowControl = new FlowControl(sink);
    const parts = { client, sink, readReason, flowControl: this.#flowControl, identifiers: this.identifiers };
    this.#outbox = outbox ? new OutboxPublisher(outbox, parts) : null;
    this.store = this.#outbox ?? new InFlightStore();
    this.#queue = new PublishQueue(parts);
  }

  /** Resolves when messages can be sent. Rejects when the connection ends for good before that. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** See `Connection.publish`. */
  publish(message: Message): Promise<void> {
    const ready = message.qos === 2 ? this.#readyForQos2(message) : this.ready;
    return this.#queue.publish(message, ready);
  }

  async #readyForQos2({ topic }: Message): Promise<void> {
    await this.ready;
    await this.#qos2Recovery.finished();
    if (this.context.isOver()) throw notAcknowledged(topic);
  }

  /** Not stored: it belongs to a message of an earlier process. */
  #sendPubrel(messageId: number): void {
    if (this.context.isConnected()) sendWithoutStoring(this.context.client(), { cmd: "pubrel", messageId });
  }

  publishStored(message: Message): Promise<void> {
    return this.#queue.counted(this.#requireOutbox().publish(message));
  }

  resumeOutbox(sent: () => void): Promise<void>[] {
    return this.#requireOutbox()
      .resume(sent)
      .map(acknowledged => this.#queue.counted(acknowledged));
  }

  #requireOutbox(): OutboxPublisher {
    if (!this.#outbox) throw new Error("there is no outbox");
    return this.#outbox;
  }

  /** Called at CONNACK. @param granted null: MQTT 3.1.1 */
  limit(granted: Granted | null): void {
    this.#flowControl.opened(granted);
  }

  /** Called when mqtt.js sends. */
  opened(sessionPresent: boolean): void {
    this.#outbox?.opened(sessionPresent);
    this.#qos2Recovery.opened(sessionPresent);
    this.#ready.resolve();
  }

  onPubcomp(packetId: number): void {
    this.#qos2Recovery.onPubcomp(packetId);
  }

  /** Called when the network connection has closed. */
  closed(): void {
    this.#outbox?.closed();
  }

  /** Called before a reconnect: messages wait for it. */
  wait(): void {
    if (this.#ready.isResolved) this.#ready = deferred(); // otherwise publishers still wait for the same promise
  }

  /** Resolves when everything is acknowledged. */
  settled(): Promise<void> {
    return this.#queue.settled();
  }

  /** Rejects unacknowledged publications: the connection ends for good. */
  forget(): void {
    this.#queue.giveUp();
    this.#qos2Recovery.forget();
    this.#outbox?.forget(); // before mqtt.js would delete its messages from the outbox
    forgetAllInFlight(this.context.client());
  }

  /** Called when the connection has ended for good. */
  finish(error: Error): void {
    this.forget();
    this.#ready.reject(error);
  }
}
