import type { IConnackPacket, MqttClient, Packet } from "mqtt";
import client from "mqtt/lib/client"; // "mqtt" itself brings WebSocket and SOCKS connections along
import { writeToStream } from "mqtt-packet";
import { isUserError, UserError } from "../util/errors.js";
import type { ClientEvent, Granted, QoS, Sink } from "../events/events.js";
import { describePacket } from "../protocol/describe-packet.js";
import { topicFilterProblem, topicNameProblem } from "../protocol/topics.js";
import { type BrokerAddress, urlOf, urlsOf } from "../protocol/broker-url.js";
import { ConnectionAttempt } from "./connection-attempt.js";
import { type DropCause, dropConnection } from "./fault-injection.js";
import { Qos2Recovery } from "./qos2-recovery.js";
import { InFlightStore } from "./in-flight-store.js";
import { PacketIdentifiers } from "./packet-identifiers.js";
import { MessageReceiver, MAX_UNRELEASED_BYTES, type SendPacket } from "./message-receiver.js";
import { ProtocolError, type OversizedPublish } from "./packet-framer.js";
import { OutboxPublisher } from "./outbox-publisher.js";
import type * as Mqtt5 from "./mqtt5.js";
import { type Message, PublishQueue, type ReasonReader } from "./publish-queue.js";
import { reasonOf, type ReasonInfo, startBrokerHint } from "./failure-diagnosis.js";
import { ReconnectPolicy } from "./reconnect-policy.js";
import { FlowControl } from "./flow-control.js";
import type { ConnectionSettings } from "../config/connection-options.js";
import { sessionExpiryOf } from "../protocol/session-expiry.js";
import type { ConnectionHooks } from "./connection-hooks.js";
import { type Transport, transportTo } from "./transport.js";
import {
  badTopic,
  failoverNotice,
  tooLong,
  filterRefused,
  isFinal,
  noBroker,
  allBrokersFailed,
  noSuback,
  notAcknowledged,
  refusalReason,
  refused,
  sessionElsewhere,
} from "./connection-errors.js";
import { type FailedAddress, AddressRotation } from "./address-rotation.js";

writeToStream.cacheNumbers = false; // its table of 65 536 buffers takes 32 ms and 18 MB, and saves no time

/** Milliseconds that one attempt may take, so that a silent address does not use up all the time there is. */
const ATTEMPT_LIMIT = 10_000;
/** Milliseconds that the last attempt before the deadline still gets, or it would fail for that. */
const ATTEMPT_LEAST = 1_000;
/** Milliseconds, when ending, for what is in flight to be acknowledged, and then for the broker to close. */
const ACKNOWLEDGE_LIMIT = 10_000;
const CLOSE_LIMIT = 2_000;
/** Milliseconds of waiting that need no word. */
const TELL_AFTER = 1_000;

type State = "connecting" | "connected" | "ending" | "closed";

/** One client's connection, over all its reconnections; made by `connect`. */
export class Connection {
  /** Kept when the connection is over: null after `end`, `drop` or `destroy`, else what made it end. */
  readonly closed: Promise<UserError | null>;
  #setClosed: (error: UserError | null) => void = () => {};
  /** Kept while messages can be sent. */
  #ready = deferred();
  #state: State = "connecting";
  #attempt: ConnectionAttempt | null = null;
  #everAccepted = false;
  readonly #turns: AddressRotation;
  /** Where this client is known to have a stored session; null: nowhere. */
  #sessionAt: BrokerAddress | null = null;
  #openTransport: () => Transport = () => {
    throw new Error("open() comes first");
  };
  /** Those whose failure has been told. */
  readonly #warned: BrokerAddress[] = [];
  #retry: NodeJS.Timeout | undefined;
  #ended: Promise<void> | null = null;
  /** Null: this connection speaks MQTT 3.1.1. */
  #mqtt5: typeof Mqtt5 | null = null;
  /** Seconds; what the broker has set, or what it was asked for. */
  #keepAlive: number;
  /** Private to the runtime too: it holds the password. */
  readonly #settings: Required<ConnectionSettings>;
  readonly #client: MqttClient;
  readonly #inbox: MessageReceiver;
  readonly #publications: PublishQueue;
  readonly #limits: FlowControl;
  readonly #retries: ReconnectPolicy;
  readonly #inFlight: InFlightStore;
  /** The same, where there is an outbox. */
  readonly #kept: OutboxPublisher | null;
  readonly #received = new InFlightStore();
  readonly #earlier = new Qos2Recovery(packetId => this.#release(packetId));

  constructor(
    settings: Required<ConnectionSettings>,
    addresses: readonly [BrokerAddress, ...BrokerAddress[]],
    private readonly sink: Sink<ClientEvent>,
    private readonly hooks: ConnectionHooks,
  ) {
    const { clientId, will } = settings;
    this.#settings = settings;
    this.#keepAlive = settings.keepAlive;
    this.#turns = new AddressRotation(addresses);
    this.closed = new Promise(resolve => (this.#setClosed = resolve));
    this.#retries = new ReconnectPolicy(
      {
        clientId,
        connectTimeout: settings.connectTimeout * 1000,
        reconnectTimeout: settings.reconnectTimeout * 1000,
      },
      Date.now(),
    );
    this.#limits = new FlowControl(sink);
    this.#kept = hooks.outbox
      ? new OutboxPublisher(hooks.outbox, sink, () => this.#client, this.#limits, this.#saidIn)
      : null;
    this.#inFlight = this.#kept ?? new InFlightStore();
    const identifiers = new PacketIdentifiers(identifier => this.#client.outgoing[identifier] !== undefined);
    this.#client = new client.default(() => this.#begin(), {
      clientId,
      clean: settings.cleanSession,
      keepalive: settings.keepAlive,
      ...(will && { will: { ...will, payload: Buffer.from(will.payload) } }),
      ...(settings.protocolVersion === "5" && inMqtt5(settings)),
      manualConnect: true,
      reconnectPeriod: 0, // reconnect-policy.ts says when
      resubscribe: false, // as does who called subscribe()
      outgoingStore: this.#inFlight,
      incomingStore: this.#received,
      messageIdProvider: identifiers,
      writeCache: false, // a table of 65 536 buffers: 18 MB, and nothing gained
    });
    this.#publications = new PublishQueue(this.#client, identifiers, sink, this.#limits, this.#saidIn);
    this.#inbox = new MessageReceiver(this.#client, sink, settings.namespace, {
      ...hooks,
      tooMuch: () =>
        this.#endFor(
          new ProtocolError(`over ${MAX_UNRELEASED_BYTES} bytes of messages at QoS 2 without their PUBREL`),
        ),
    });
    this.#listen();
  }

  /** Kept when a broker has accepted it. @throws UserError when none did, or when what it needs can't be used */
  async open(): Promise<void> {
    this.hooks.signal?.addEventListener("abort", () => this.#stopTrying(), { once: true });
    if (this.hooks.signal?.aborted) this.#stopTrying();
    if (this.#settings.protocolVersion === "5") this.#mqtt5 = await import("./mqtt5.js");
    await this.#connectTo(this.#address, () => this.#client.connect());
    await this.#ready.promise;
  }

  /** Where it is connected, or tries to be. */
  get #address(): BrokerAddress {
    return this.#turns.current;
  }

  async #connectTo(address: BrokerAddress, connect: () => void): Promise<void> {
    try {
      this.#openTransport = await transportTo(address, this.#settings.tls ?? {}, this.#settings.maxPacket);
    } catch (error) {
      return this.#finish(error as UserError);
    }
    if (!this.#is("connecting")) return;
    const share = Math.max(ATTEMPT_LEAST, this.#retries.left(Date.now()) / this.#turns.left);
    const { username, password } = address;
    Object.assign(this.#client.options, {
      connectTimeout: Math.min(ATTEMPT_LIMIT, share),
      username: username ?? undefined,
      password: password ?? undefined,
    });
    this.sink({ event: "connecting", broker: urlOf(address), clientId: this.#settings.clientId });
    try {
      connect();
    } catch (error) {
      this.#attempt?.destroy(); // mqtt.js throws what it can't put into a packet
      this.#finish(tooLong(error as Error));
    }
  }

  #begin(): Transport["stream"] {
    const { maxPacket } = this.#settings;
    const leaveOut = (publish: OversizedPublish) => this.#inbox.leaveOut(publish);
    this.#attempt = new ConnectionAttempt(this.#openTransport(), this.#mqtt5 !== null, maxPacket, leaveOut);
    return this.#attempt.transport.stream;
  }

  /**
   * Kept when the broker has acknowledged the message (at QoS 0: when it has been handed over) and the sink has taken
   * the event. Waits for a connection first.
   *
   * @throws UserError `bad-topic`; `not-acknowledged` when the connection ends for good before that
   */
  async publish(message: Message): Promise<void> {
    this.#checkPublishable(message);
    const ready = message.qos === 2 ? this.#readyForQos2(message) : this.#ready.promise;
    await this.#publications.publish(message, ready); // from now on end() waits for it
  }

  async #readyForQos2({ topic }: Message): Promise<void> {
    await this.#ready.promise;
    await this.#earlier.ended();
    if (this.#isOver()) throw notAcknowledged(topic);
  }

  #release(messageId: number): void {
    if (!this.#is("connected")) return;
    // Not to be stored: it is no message of this process'.
    (this.#client["_sendPacket"] as SendPacket)({ cmd: "pubrel", messageId }, undefined, undefined, true);
  }

  /**
   * The same, at QoS 1 or 2 and through the outbox: it is kept there at once, with a connection or without, until the
   * broker has acknowledged it. `not-acknowledged` then means that it still is.
   *
   * @throws UserError besides those of `publish`, what the outbox says when it can't keep it: it was not sent then
   */
  async publishKept(message: Message): Promise<void> {
    this.#checkPublishable(message);
    await this.#publications.counted(this.#withOutbox().publish(message));
  }

  /**
   * Goes on with what an earlier process has left in the outbox: it is sent before everything else. To be called before
   * `open`. @returns for each message what `publishKept` would
   * @param sent called for each when it has been handed to the network
   */
  takeUp(sent: () => void): Promise<void>[] {
    return this.#withOutbox()
      .takeUp(sent)
      .map(acknowledged => this.#publications.counted(acknowledged));
  }

  #withOutbox(): OutboxPublisher {
    if (!this.#kept) throw new Error("there is no outbox");
    return this.#kept;
  }

  #checkPublishable({ topic }: Message): void {
    const problem = topicNameProblem(topic);
    if (problem) throw badTopic("published to", problem); // mqtt.js would send it, and the broker close the connection
    if (this.#isOver()) throw this.#stoppedError();
  }

  /**
   * Subscribes to all filters in one SUBSCRIBE; kept with the QoS granted to each.
   *
   * @throws UserError `bad-topic`; `filter-refused` when the broker answers 0x80 to one of them; `no-suback` when it does
   * not answer; `not-acknowledged` when the connection was lost before it did: the next one needs another SUBSCRIBE
   */
  async subscribe(topicFilters: string[], qos: QoS): Promise<QoS[]> {
    const problems = topicFilters.map(topicFilterProblem);
    const problem = topicFilters.length === 0 ? "there is none" : problems.find(each => each !== null);
    if (problem) throw badTopic("subscribed to", problem);
    if (this.#isOver()) throw this.#stoppedError();
    await this.#ready.promise;
    for (const filter of topicFilters) this.#inbox.filters.add(filter);
    const granted = await this.#askFor(topicFilters, qos);
    return topicFilters.map((topicFilter, i) => {
      const grantedQos = granted[i] as number;
      if (grantedQos !== 0 && grantedQos !== 1 && grantedQos !== 2)
        throw filterRefused(topicFilter, this.#meaning(grantedQos));
      this.sink({ event: "subscribed", topicFilter, qos, grantedQos });
      return grantedQos;
    });
  }

  #askFor(topicFilters: string[], qos: QoS): Promise<readonly number[]> {
    const limit = this.#settings.connectTimeout * 1000;
    const since = performance.now();
    return new Promise((resolve, reject) => {
      const look = () => {
        // What is on its way before the SUBACK is read at the pace of who takes it.
        const waited = Math.min(performance.now() - since, this.#inbox.quietFor());
        if (waited >= limit) reject(noSuback(this.#address, limit / 1000));
        else timer = setTimeout(look, limit - waited);
      };
      let timer = setTimeout(look, limit);
      // mqtt.js makes an error of an answer of 0x80, but hands over the SUBACK beside it.
      this.#client.subscribe(topicFilters, { qos }, (_error, _subscriptions, suback) => {
        clearTimeout(timer);
        const granted = (suback?.granted ?? []) as number[];
        if (granted.length === topicFilters.length) return resolve(granted);
        if (suback)
          this.#endFor(
            new ProtocolError(
              `SUBACK with ${granted.length} codes for ${topicFilters.length} filters [MQTT-3.8.4-5]`,
            ),
          );
        reject(notAcknowledged("SUBSCRIBE"));
      });
    });
  }

  /** What has come is against MQTT. */
  #endFor(error: Error): void {
    if (!this.#attempt) return;
    this.#attempt.error ??= error;
    this.#attempt.transport.socket.destroy();
  }

  /**
   * Ends gracefully: waits for what is in flight to be acknowledged, sends DISCONNECT, which makes the broker throw the
   * will away [MQTT-3.14.4-3], and waits for the connection to close.
   * @param patience milliseconds that the acknowledgments may take
   */
  end(patience = ACKNOWLEDGE_LIMIT): Promise<void> {
    return (this.#ended ??= this.#end(patience)); // once more, it would cut off what the first one waits for
  }

  async #end(patience: number): Promise<void> {
    this.#inbox.stopAccepting();
    if (this.#is("connected")) {
      const settled = Promise.all([this.#publications.settled(), this.#inbox.idle()]);
      const telling = setTimeout(() => this.#tellWaiting(patience), TELL_AFTER);
      await withTimeout(patience, [this.closed, settled]);
      clearTimeout(telling);
    }
    if (this.#is("connected")) {
      this.#state = "ending";
      this.#forgetInFlight();
      this.#client.end();
      await withTimeout(CLOSE_LIMIT, [this.closed]);
    }
    this.destroy();
    await this.closed;
  }

  #tellWaiting(patience: number): void {
    this.sink({
      event: "warning",
      code: "waiting",
      message: `the broker has not acknowledged everything yet: waiting for it, ${patience / 1000} s at most.`,
      hint: "Ctrl-C again leaves at once.",
    });
  }

  /** Loses the connection on purpose, in a way that leaves the broker with a will to publish. It is not made again. */
  drop(cause: DropCause): void {
    if (!this.#is("connected") || !this.#attempt) return;
    this.#state = "ending";
    this.#attempt.closedHere = cause === "network" || cause === "no-disconnect";
    this.#attempt.willAsked = cause === "disconnect-with-will";
    dropConnection[cause](this.#attempt.transport, this.#client);
  }

  /** Destroys the socket, without DISCONNECT. */
  destroy(): void {
    if (this.#is("closed")) return;
    this.#state = "ending";
    clearTimeout(this.#retry);
    if (this.#attempt?.transport.socket.destroyed !== false) return this.#finish(null);
    this.#attempt.destroy();
  }

  /** Seconds. */
  get keepAlive(): number {
    return this.#keepAlive;
  }

  /** The URL of the broker that it is connected to, or was last, or tries to be. */
  get broker(): string {
    return urlOf(this.#address);
  }

  /** Whether messages go out now. */
  get isConnected(): boolean {
    return this.#is("connected");
  }

  #isOver(): boolean {
    return this.#is("ending") || this.#is("closed");
  }

  #is(state: State): boolean {
    return this.#state === state;
  }

  #listen(): void {
    const client = this.#client;
    if (this.#settings.debug) {
      client.on("packetsend", packet => this.#tellPacket("sent", packet));
      client.on("packetreceive", packet => this.#tellPacket("received", packet));
    }
    client.on("packetsend", packet => {
      if (packet.cmd === "disconnect" && this.#attempt) this.#attempt.disconnectSent = true;
    });
    client.on("packetreceive", packet => {
      if (packet.cmd === "connack") this.#connack(packet);
      if (packet.cmd === "pubcomp") this.#earlier.completed(packet.messageId ?? 0);
    });
    client.on("disconnect", ({ reasonCode = 0, properties }) => {
      if (this.#attempt) this.#attempt.said = this.#meaning(reasonCode, properties);
    });
    client.on("connect", ({ sessionPresent }) => {
      this.#kept?.opened(sessionPresent);
      this.#earlier.opened(sessionPresent);
      this.#ready.isKept = true;
      this.#ready.resolve();
    });
    client.on("close", () => this.#socketClosed());
    client.on("error", error => this.#endFor(error)); // mqtt.js reports what it can't parse, and would go on reading
  }

  #tellPacket(direction: "sent" | "received", packet: Packet): void {
    this.sink({ event: "packet", direction, description: describePacket(packet) });
  }

  #connack({ returnCode: code311, reasonCode, sessionPresent, properties = {} }: IConnackPacket): void {
    const returnCode = reasonCode ?? code311 ?? 0;
    const attempt = this.#attempt;
    if (attempt) attempt.returnCode = returnCode;
    if (returnCode !== 0) {
      const said = this.#meaning(returnCode, properties);
      if (attempt) attempt.said = said;
      this.sink({ event: "refused", returnCode, reason: said?.reason ?? refusalReason(returnCode) });
      return;
    }
    const granted = this.#grantedIn(properties);
    this.#state = "connected";
    this.#everAccepted = true;
    this.#retries.accepted(Date.now());
    this.#turns.accepted();
    this.#limits.opened(granted);
    if (!sessionPresent) this.#received.clear();
    this.#inbox.opened(sessionPresent);
    const { cleanSession, protocolVersion, will, willDelay } = this.#settings;
    this.sink({
      event: "connected",
      broker: urlOf(this.#address),
      clientId: this.#client.options.clientId ?? "",
      cleanSession,
      sessionPresent,
      keepAlive: this.#keepAlive,
      protocolVersion,
      will,
      willDelay: granted && will && Math.min(willDelay, granted.sessionExpiry),
      granted,
    });
    if (!cleanSession && granted?.sessionExpiry !== 0) this.#tellSession(sessionPresent);
  }

  #tellSession(sessionPresent: boolean): void {
    const before = this.#sessionAt;
    this.#sessionAt = this.#address;
    if (!sessionPresent && before !== null && before !== this.#address)
      this.#warn(sessionElsewhere(this.#address, before));
  }

  #warn({ code, message, hint }: UserError, more = ""): void {
    this.sink({ event: "warning", code, message, hint: hint + more });
  }

  #grantedIn(properties: object): Granted | null {
    if (!this.#mqtt5) return null;
    this.#mqtt5.clean(properties);
    const granted = this.#mqtt5.grantedIn(properties, sessionExpiryOf(this.#settings) ?? 0);
    // With this it comes back to the same session.
    if (granted.assignedClientId !== null) this.#client.options.clientId = granted.assignedClientId;
    this.#keepAlive = granted.keepAlive ?? this.#settings.keepAlive;
    return granted;
  }

  #meaning(code: number, properties: object = {}): ReasonInfo | null {
    return this.#mqtt5?.reasonInfoFor(code, properties) ?? null;
  }

  readonly #saidIn: ReasonReader = (error, answer) => {
    const { code } = error as { code?: unknown };
    return typeof code === "number" ? this.#meaning(code, propertiesOf(answer)) : null;
  };

  #socketClosed(): void {
    const attempt = this.#attempt;
    if (this.#is("closed") || !attempt) return;
    this.#kept?.closed();
    if (attempt.accepted) this.#tellDisconnected(attempt);
    if (this.#is("ending")) return this.#finish(null);
    this.#state = "connecting";
    const address = this.#address;
    const failed = attempt.accepted ? null : failureOf(address, attempt);
    const turn = failed && this.#turns.next(failed);
    if (failed && !turn) return this.#finish(allBrokersFailed(this.#turns.failed));
    const others = { failed: this.#turns.failed, goesOn: turn?.now ?? false };
    const next = this.#retries.closed(address, attempt, Date.now(), others);
    if (isUserError(next)) return this.#finish(next);
    if (this.#ready.isKept) this.#ready = deferred(); // else who waits goes on waiting for the same
    if (failed) this.#warnOnce(failed, turn?.now ? turn.address : null, next.secondsLeft);
    this.sink({ event: "reconnecting", ...next, reason: failed?.reason ?? reasonOf(attempt) });
    this.#retry = setTimeout(() => this.#reconnect(), next.inSeconds * 1000);
  }

  #tellDisconnected({
    disconnectSent,
    willAsked,
    closedHere,
    error,
    firstBytes,
    said,
  }: ConnectionAttempt): void {
    const graceful = disconnectSent && !willAsked && error === null;
    const ours = graceful
      ? "DISCONNECT sent"
      : willAsked
        ? "DISCONNECT sent, which asks for the will (0x04)"
        : closedHere
          ? "closed here, without DISCONNECT"
          : null;
    const reason = ours ?? reasonOf({ error, firstBytes, said });
    this.sink({ event: "disconnected", graceful, reason, reasonCode: said?.code ?? null });
  }

  /** The first failure to connect is worth a sentence with a next step; the tries after it are not. */
  #warnOnce(failed: FailedAddress, other: BrokerAddress | null, secondsLeft: number): void {
    const { address, error } = failed;
    if (this.#warned.includes(address)) return;
    this.#warned.push(address);
    const more = secondsLeft > 0 ? ` (trying for ${secondsLeft} s more)` : "";
    this.#warn(other ? failoverNotice(failed, other) : error, more);
  }

  #reconnect(): void {
    this.#inFlight.markForResending();
    void this.#connectTo(this.#address, () =>
      this.#client.reconnect({ outgoingStore: this.#inFlight, incomingStore: this.#received }),
    );
  }

  #stopTrying(): void {
    if (this.#is("connecting")) this.destroy();
  }

  /** mqtt.js would wait without limit for these; each publish() that waits for one is told. */
  #forgetInFlight(): void {
    this.#publications.giveUp();
    this.#earlier.forget();
    this.#kept?.forget(); // before mqtt.js would take it out of the outbox
    for (const identifier of Object.keys(this.#client.outgoing))
      this.#client.removeOutgoingMessage(Number(identifier));
  }

  #stoppedError(): UserError {
    return this.#everAccepted
      ? new UserError("closed", "the connection was closed.", "Connect again to go on.")
      : new UserError(
          "stopped",
          `stopped before a broker answered at ${urlsOf(this.#settings.broker)}.`,
          startBrokerHint(this.#address),
        );
  }

  #finish(error: UserError | null): void {
    if (this.#is("closed")) return;
    this.#state = "closed";
    this.#forgetInFlight();
    this.#ready.reject(error ?? this.#stoppedError());
    this.#setClosed(error);
  }
}

/** Clean start 0 alone keeps nothing: a session that is to be kept needs an expiry [MQTT-3.1.2-23]. */
function inMqtt5(settings: Required<ConnectionSettings>) {
  const { will, willDelay } = settings;
  const properties = { willDelayInterval: willDelay };
  return {
    protocolVersion: 5 as const,
    properties: { sessionExpiryInterval: sessionExpiryOf(settings) ?? 0 },
    ...(will && { will: { ...will, payload: Buffer.from(will.payload), properties } }),
  };
}

const propertiesOf = (packet: unknown): object =>
  (packet as { properties?: object } | undefined)?.properties ?? {};

function failureOf(address: BrokerAddress, attempt: ConnectionAttempt): FailedAddress {
  const { returnCode, said } = attempt;
  if (!returnCode) {
    const error = noBroker(address, attempt);
    return { address, error, reason: reasonOf(attempt), isFinal: isFinal(address, attempt) };
  }
  const error = refused(address, returnCode, said);
  return { address, error, reason: said?.reason ?? refusalReason(returnCode), isFinal: true };
}

function deferred() {
  let resolve = () => {};
  let reject = (_error: Error) => {};
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  promise.catch(() => {}); // whoever waits for it gets the error; nobody has to
  return { promise, resolve, reject, isKept: false };
}

/** Waits for the first of these, but no longer than so many milliseconds. */
async function withTimeout(limit: number, promises: Promise<unknown>[]): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const time = new Promise(resolve => (timer = setTimeout(resolve, limit)));
  await Promise.race([...promises, time]);
  clearTimeout(timer);
}
