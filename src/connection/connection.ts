import type { IConnackPacket, MqttClient } from "mqtt";
import type { ConnectionSettings } from "../config/connection-options.js";
import type { ClientEvent, QoS, Sink } from "../events/events.js";
import { type BrokerAddress, urlOf, urlsOf } from "../protocol/broker-url.js";
import { topicNameProblem } from "../protocol/topics.js";
import { withTimeout } from "../util/async.js";
import { isUserError, type UserError } from "../util/errors.js";
import { ConnackHandler, returnCodeOf } from "./connack-handler.js";
import {
  badTopic,
  closedError,
  filterRefused,
  stoppedError,
  tooLong,
  waitingWarning,
} from "./connection-errors.js";
import type { ConnectionHooks } from "./connection-hooks.js";
import type { DropCause } from "./fault-injection.js";
import { InFlightStore } from "./in-flight-store.js";
import { MessageReceiver } from "./message-receiver.js";
import { createMqttClient, reportPackets } from "./mqtt-client.js";
import { setConnectOptions } from "./mqtt-internals.js";
import { OutgoingMessages } from "./outgoing-messages.js";
import type { Message } from "./publish-queue.js";
import { disconnectedEvent, Reconnector } from "./reconnector.js";
import { checkTopicFilters, isQos, requestSubscription } from "./request-subscription.js";

/** Milliseconds, when ending, for acknowledgments to arrive, and then for the broker to close. */
const ACKNOWLEDGE_TIMEOUT_MS = 10_000;
const CLOSE_TIMEOUT_MS = 2_000;
/** Milliseconds of waiting that need no report. */
const WAITING_NOTICE_MS = 1_000;

/** One client's connection, over all its reconnections; made by `connect`. */
export class Connection {
  /** Resolves when the connection has ended for good: with null after `end`, `drop` or `destroy`, else with the error. */
  readonly closed: Promise<UserError | null>;
  #resolveClosed: (error: UserError | null) => void = () => {};
  #state: "connecting" | "connected" | "ending" | "closed" = "connecting";
  #wasEverAccepted = false;
  #retryTimer: NodeJS.Timeout | undefined;
  #ending: Promise<void> | null = null;
  /** Private to the runtime too: it holds the password. */
  readonly #settings: Required<ConnectionSettings>;
  readonly #client: MqttClient;
  readonly #connack: ConnackHandler;
  readonly #reconnector: Reconnector;
  readonly #receiver: MessageReceiver;
  readonly #outgoing: OutgoingMessages;
  readonly #incomingStore = new InFlightStore();

  constructor(
    settings: Required<ConnectionSettings>,
    addresses: readonly [BrokerAddress, ...BrokerAddress[]],
    private readonly sink: Sink<ClientEvent>,
    private readonly hooks: ConnectionHooks,
  ) {
    this.#settings = settings;
    this.closed = new Promise(resolve => (this.#resolveClosed = resolve));
    this.#connack = new ConnackHandler(settings, sink);
    this.#reconnector = new Reconnector(settings, addresses, sink);
    this.#outgoing = new OutgoingMessages(hooks.outbox, {
      sink,
      readReason: this.#connack.readReason,
      client: () => this.#client,
      isConnected: () => this.isConnected,
      isOver: () => this.#isOver(),
    });
    this.#client = createMqttClient(settings, {
      openStream: () =>
        this.#reconnector.openStream(this.#connack.isMqtt5, publish => this.#receiver.skipOversized(publish)),
      outgoingStore: this.#outgoing.store,
      incomingStore: this.#incomingStore,
      messageIdProvider: this.#outgoing.identifiers,
    });
    this.#receiver = new MessageReceiver(this.#client, sink, settings.namespace, {
      ...hooks,
      onProtocolError: error => this.#reconnector.fail(error),
    });
    this.#listen();
  }

  /** Resolves when a broker has accepted the client. @throws UserError if none does, or if certificates can't be used */
  async open(): Promise<void> {
    const { signal } = this.hooks;
    const stopTrying = () => this.#is("connecting") && this.destroy();
    signal?.addEventListener("abort", stopTrying, { once: true });
    if (signal?.aborted) stopTrying();
    await this.#connack.load();
    await this.#connect(() => this.#client.connect());
    await this.#outgoing.ready;
  }

  async #connect(connectClient: () => void): Promise<void> {
    try {
      await this.#reconnector.prepare();
    } catch (error) {
      return this.#finish(error as UserError);
    }
    if (!this.#is("connecting")) return;
    const { address, attemptTimeoutMs } = this.#reconnector;
    setConnectOptions(this.#client, this.#connack.clientId, attemptTimeoutMs, address);
    this.sink({ event: "connecting", broker: urlOf(address), clientId: this.#settings.clientId });
    try {
      connectClient();
    } catch (error) {
      this.#reconnector.attempt?.destroy(); // mqtt.js throws if a field does not fit into CONNECT
      this.#finish(tooLong(error as Error));
    }
  }

  /**
   * Resolves when the broker has acknowledged the message (at QoS 0: when it has been passed to the network) and the
   * sink has taken the event. Waits for a connection first.
   *
   * @throws UserError `bad-topic`; `not-acknowledged` when the connection ends for good before that
   */
  async publish(message: Message): Promise<void> {
    this.#checkPublishable(message);
    await this.#outgoing.publish(message); // from now on end() waits for it
  }

  /**
   * Publishes at QoS 1 or 2 through the outbox, which stores the message at once, with or without a connection, until
   * the broker acknowledges it. After `not-acknowledged` it is still stored. @throws UserError as `publish`, and the
   * outbox's error if it cannot store the message
   */
  async publishStored(message: Message): Promise<void> {
    this.#checkPublishable(message);
    await this.#outgoing.publishStored(message);
  }

  /**
   * Publishes first what an earlier process has left in the outbox. Must be called before `open`.
   * @param sent called for each message when it has been passed to the network
   * @returns for each message what `publishStored` would
   */
  resumeOutbox(sent: () => void): Promise<void>[] {
    return this.#outgoing.resumeOutbox(sent);
  }

  #checkPublishable({ topic }: Message): void {
    const problem = topicNameProblem(topic);
    if (problem) throw badTopic("published to", problem); // mqtt.js would send it, and the broker close the connection
    if (this.#isOver()) throw this.#overError();
  }

  /**
   * Subscribes to all filters in one SUBSCRIBE. Resolves with the QoS granted to each.
   *
   * @throws UserError `bad-topic`; `filter-refused` when the broker answers 0x80 to one of them; `no-suback` when it does
   * not answer; `not-acknowledged` when the connection was lost before it did: the next one needs another SUBSCRIBE
   */
  async subscribe(topicFilters: string[], qos: QoS): Promise<QoS[]> {
    checkTopicFilters(topicFilters);
    if (this.#isOver()) throw this.#overError();
    await this.#outgoing.ready;
    for (const filter of topicFilters) this.#receiver.filters.add(filter);
    const granted = await requestSubscription(this.#client, {
      topicFilters,
      qos,
      broker: this.#reconnector.address,
      timeoutMs: this.#settings.connectTimeout * 1000,
      quietFor: () => this.#receiver.quietFor(),
      onProtocolError: error => this.#reconnector.fail(error),
    });
    return topicFilters.map((topicFilter, i) => {
      const grantedQos = granted[i] as number;
      if (!isQos(grantedQos)) throw filterRefused(topicFilter, this.#connack.reasonInfo(grantedQos));
      this.sink({ event: "subscribed", topicFilter, qos, grantedQos });
      return grantedQos;
    });
  }

  /**
   * Ends gracefully: waits until everything in flight is acknowledged, sends DISCONNECT, at which the broker discards the
   * will [MQTT-3.14.4-3], and waits until the connection has closed.
   * @param ackTimeoutMs milliseconds that the acknowledgments may take
   */
  end(ackTimeoutMs = ACKNOWLEDGE_TIMEOUT_MS): Promise<void> {
    return (this.#ending ??= this.#end(ackTimeoutMs)); // a second end would cut off what the first one waits for
  }

  async #end(ackTimeoutMs: number): Promise<void> {
    this.#receiver.stopAccepting();
    if (this.#is("connected")) {
      const settled = Promise.all([this.#outgoing.settled(), this.#receiver.idle()]);
      const timer = setTimeout(() => void this.sink(waitingWarning(ackTimeoutMs / 1000)), WAITING_NOTICE_MS);
      await withTimeout(ackTimeoutMs, [this.closed, settled]);
      clearTimeout(timer);
    }
    if (this.#is("connected")) {
      this.#state = "ending";
      this.#outgoing.forget();
      this.#client.end();
      await withTimeout(CLOSE_TIMEOUT_MS, [this.closed]);
    }
    this.destroy();
    await this.closed;
  }

  /** Loses the connection on purpose, so that the broker publishes the will. Does not reconnect. */
  drop(cause: DropCause): void {
    if (!this.#is("connected")) return;
    this.#state = "ending";
    this.#reconnector.drop(cause, this.#client);
  }

  /** Destroys the socket, without DISCONNECT. */
  destroy(): void {
    if (this.#is("closed")) return;
    this.#state = "ending";
    clearTimeout(this.#retryTimer);
    const { attempt } = this.#reconnector;
    if (attempt?.transport.socket.destroyed !== false) return this.#finish(null);
    attempt.destroy();
  }

  /** Seconds. */
  get keepAlive(): number {
    return this.#connack.keepAlive;
  }

  /** The URL of the broker that is connected, was last connected, or is tried. */
  get broker(): string {
    return urlOf(this.#reconnector.address);
  }

  get isConnected(): boolean {
    return this.#is("connected");
  }

  #isOver(): boolean {
    return this.#is("ending") || this.#is("closed");
  }

  #is(state: "connecting" | "connected" | "ending" | "closed"): boolean {
    return this.#state === state;
  }

  #listen(): void {
    const client = this.#client;
    if (this.#settings.debug) reportPackets(client, this.sink);
    client.on("packetreceive", packet => {
      if (packet.cmd === "connack") this.#onConnack(packet);
      if (packet.cmd === "pubcomp") this.#outgoing.onPubcomp(packet.messageId ?? 0);
    });
    this.#reconnector.recordDisconnects(client, this.#connack);
    client.on("connect", ({ sessionPresent }) => this.#outgoing.opened(sessionPresent));
    client.on("close", () => this.#onClose());
    client.on("error", error => this.#reconnector.fail(error)); // mqtt.js reports what it can't parse, and would read on
  }

  #onConnack(connack: IConnackPacket): void {
    const { sessionPresent, properties = {} } = connack;
    const returnCode = returnCodeOf(connack);
    if (returnCode !== 0)
      return this.#reconnector.answered(returnCode, this.#connack.refused(returnCode, properties));
    const granted = this.#connack.readGranted(properties);
    this.#state = "connected";
    this.#wasEverAccepted = true;
    this.#reconnector.answered(0, null);
    this.#outgoing.limit(granted);
    if (!sessionPresent) this.#incomingStore.clear();
    this.#receiver.opened(sessionPresent);
    this.#connack.reportConnected(granted, sessionPresent, this.#reconnector.address);
  }

  #onClose(): void {
    const { attempt } = this.#reconnector;
    if (this.#is("closed") || !attempt) return;
    this.#outgoing.closed();
    if (attempt.accepted) this.sink(disconnectedEvent(attempt));
    if (this.#is("ending")) return this.#finish(null);
    this.#state = "connecting";
    this.#outgoing.wait();
    const next = this.#reconnector.next(attempt);
    if (isUserError(next)) return this.#finish(next);
    this.#retryTimer = setTimeout(() => this.#reconnect(), next);
  }

  #reconnect(): void {
    this.#outgoing.store.markForResending();
    const stores = { outgoingStore: this.#outgoing.store, incomingStore: this.#incomingStore };
    void this.#connect(() => this.#client.reconnect(stores));
  }

  #overError(): UserError {
    if (this.#wasEverAccepted) return closedError();
    return stoppedError(urlsOf(this.#settings.broker), this.#reconnector.address);
  }

  #finish(error: UserError | null): void {
    if (this.#is("closed")) return;
    this.#state = "closed";
    this.#outgoing.finish(error ?? this.#overError());
    this.#resolveClosed(error);
  }
}
