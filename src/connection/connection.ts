import type { Socket } from "node:net";
import { type IConnackPacket, MqttClient, type Packet } from "mqtt";
import { isUserError, UserError } from "../errors.js";
import type { ClientEvent, QoS, Sink } from "../events.js";
import { type DropCause, drops } from "./drops.js";
import { InFlightStore, PacketIdentifiers } from "./inflight.js";
import { Inbox } from "./inbox.js";
import { describePacket } from "./packets.js";
import { Retries } from "./retries.js";
import type { ConnectionHooks, ConnectionSettings } from "./settings.js";
import { addressOf, isLocal, openSocket } from "./transport.js";
import {
  START_ONE,
  filterRefused,
  noBroker,
  notAcknowledged,
  reasonFor,
  refusalReason,
  refused,
} from "./trouble.js";

export interface Message {
  topic: string;
  payload: string | Buffer;
  qos: QoS;
  retain: boolean;
  /** For the events: which reading this is. */
  run?: string;
  seq?: number;
}

/** Milliseconds that one attempt may take, so that a silent address does not use up all the time there is. */
const ATTEMPT_LIMIT = 10_000;
/** Milliseconds, when ending, for what is in flight to be acknowledged, and then for the broker to close. */
const ACKNOWLEDGE_LIMIT = 10_000;
const CLOSE_LIMIT = 2_000;

type State = "connecting" | "connected" | "ending" | "closed";

/** One client's connection, over all its reconnections; made by `connect`. */
export class Connection {
  /** Kept when the connection is over: null after `end`, `drop` or `destroy`, else what made it end. */
  readonly closed: Promise<UserError | null>;
  #setClosed: (error: UserError | null) => void = () => {};
  /** Kept while messages can be sent. */
  #ready = newReady();
  #state: State = "connecting";
  #socket: Socket | null = null;
  #accepted = false;
  #everAccepted = false;
  #returnCode = 0;
  #disconnectSent = false;
  /** This side closed the socket, without DISCONNECT. */
  #closedHere = false;
  #lastError: Error | null = null;
  #warned = false;
  #retry: NodeJS.Timeout | undefined;
  #unacknowledged = 0;
  #whenAcknowledged: (() => void) | null = null;
  readonly #client: MqttClient;
  readonly #inbox: Inbox;
  readonly #retries: Retries;
  readonly #inFlight = new InFlightStore();
  readonly #received = new InFlightStore();

  constructor(
    private readonly settings: Required<ConnectionSettings>,
    private readonly sink: Sink<ClientEvent>,
    private readonly hooks: ConnectionHooks,
  ) {
    const { broker, clientId, connectTimeout, will } = settings;
    const address = addressOf(broker);
    this.closed = new Promise(resolve => (this.#setClosed = resolve));
    const local = isLocal(address);
    this.#retries = new Retries(
      { broker, local, clientId, connectTimeout: connectTimeout * 1000 },
      Date.now(),
    );
    this.#client = new MqttClient(() => (this.#socket = openSocket(address)), {
      clientId,
      clean: settings.cleanSession,
      keepalive: settings.keepAlive,
      ...(will && { will: { ...will, payload: Buffer.from(will.payload) } }),
      ...(settings.username !== null && { username: settings.username }),
      ...(settings.password !== null && { password: settings.password }),
      manualConnect: true,
      reconnectPeriod: 0, // retries.ts says when
      resubscribe: false, // as does who called subscribe()
      connectTimeout: ATTEMPT_LIMIT,
      outgoingStore: this.#inFlight,
      incomingStore: this.#received,
      messageIdProvider: new PacketIdentifiers(identifier => this.#client.outgoing[identifier] !== undefined),
      writeCache: false, // a table of 65 536 buffers: 18 MB, and nothing gained
    });
    this.#inbox = new Inbox(this.#client, sink, settings.namespace, topic => hooks.accept?.(topic) ?? true);
    this.#listen();
  }

  async open(): Promise<void> {
    const { broker, clientId } = this.settings;
    this.sink({ event: "connecting", broker, clientId });
    this.hooks.signal?.addEventListener("abort", () => this.#stopTrying(), { once: true });
    this.#client.connect();
    await this.#ready.promise;
  }

  /**
   * Kept when the broker has acknowledged the message (at QoS 0: when it has been handed over) and the sink has taken
   * the event. Waits for a connection first.
   *
   * @throws UserError `not-acknowledged` when the connection ends for good before that.
   */
  async publish(message: Message): Promise<void> {
    this.#unacknowledged += 1; // from now on end() waits for it
    try {
      await this.#ready.promise;
      await this.#send(message);
    } finally {
      this.#unacknowledged -= 1;
      if (this.#unacknowledged === 0) this.#whenAcknowledged?.();
    }
  }

  #send(message: Message): Promise<void> {
    const { topic, payload, qos, retain, run = null, seq = null } = message;
    const sentAt = performance.now();
    return new Promise<void>((resolve, reject) => {
      let packetId: number | null = null;
      this.#client.publish(topic, payload, { qos, retain }, error => {
        if (error) return reject(notAcknowledged(topic));
        if (qos === 0) return resolve();
        const milliseconds = Math.round((performance.now() - sentAt) * 100) / 100;
        resolve(this.sink({ event: "acknowledged", packetId, topic, run, seq, milliseconds }) ?? undefined);
      });
      if (qos > 0) packetId = this.#client.getLastMessageId();
      const text = payload.toString();
      this.sink({ event: "published", topic, payload: text, qos, retain, packetId, run, seq });
    });
  }

  /**
   * Subscribes to all filters in one SUBSCRIBE; kept with the QoS granted to each.
   *
   * @throws UserError `filter-refused` when the broker answers 0x80 to one of them.
   */
  async subscribe(topicFilters: string[], qos: QoS): Promise<QoS[]> {
    await this.#ready.promise;
    for (const filter of topicFilters) this.#inbox.filters.add(filter);
    const granted = await new Promise<readonly number[]>((resolve, reject) => {
      // mqtt.js makes an error of an answer of 0x80, but hands over the SUBACK beside it.
      this.#client.subscribe(topicFilters, { qos }, (_error, _subscriptions, suback) =>
        suback ? resolve(suback.granted as number[]) : reject(notAcknowledged("SUBSCRIBE")),
      );
    });
    return topicFilters.map((topicFilter, i) => {
      const grantedQos = granted[i];
      if (grantedQos !== 0 && grantedQos !== 1 && grantedQos !== 2) throw filterRefused(topicFilter);
      this.sink({ event: "subscribed", topicFilter, qos, grantedQos });
      return grantedQos;
    });
  }

  /**
   * Ends gracefully: waits for what is in flight to be acknowledged (10 s at most), sends DISCONNECT, which makes the
   * broker throw the will away [MQTT-3.14.4-3], and waits for the connection to close.
   */
  async end(): Promise<void> {
    this.#inbox.stopAccepting();
    if (this.#is("connected")) await within(ACKNOWLEDGE_LIMIT, [this.closed, this.#settled()]);
    if (this.#is("connected")) {
      this.#state = "ending";
      this.#forgetInFlight();
      this.#client.end();
      await within(CLOSE_LIMIT, [this.closed]);
    }
    this.destroy();
    await this.closed;
  }

  /** Loses the connection on purpose, in a way that leaves the broker with a will to publish. It is not made again. */
  drop(cause: DropCause): void {
    if (!this.#is("connected") || !this.#socket) return;
    this.#state = "ending";
    this.#closedHere = cause === "network" || cause === "no-disconnect";
    drops[cause](this.#socket, this.#client);
  }

  /** Destroys the socket, without DISCONNECT. */
  destroy(): void {
    if (this.#is("closed")) return;
    this.#state = "ending";
    clearTimeout(this.#retry);
    if (this.#socket?.destroyed !== false) return this.#finish(null);
    this.#closedHere = true;
    this.#socket.destroy();
  }

  /** Whether `closed` has been kept. */
  get isOver(): boolean {
    return this.#is("closed");
  }

  #is(state: State): boolean {
    return this.#state === state;
  }

  #listen(): void {
    const client = this.#client;
    if (this.settings.debug) {
      client.on("packetsend", packet => this.#tellPacket("sent", packet));
      client.on("packetreceive", packet => this.#tellPacket("received", packet));
    }
    client.on("packetsend", packet => (this.#disconnectSent ||= packet.cmd === "disconnect"));
    client.on("packetreceive", packet => packet.cmd === "connack" && this.#connack(packet));
    client.on("connect", () => this.#ready.resolve());
    client.on("close", () => this.#socketClosed());
    client.on("error", error => {
      this.#lastError ??= error;
      this.#socket?.destroy(); // mqtt.js reports what it can't parse, and would go on reading
    });
  }

  #tellPacket(direction: "sent" | "received", packet: Packet): void {
    this.sink({ event: "packet", direction, description: describePacket(packet) });
  }

  #connack({ returnCode = 0, sessionPresent }: IConnackPacket): void {
    this.#returnCode = returnCode;
    if (returnCode !== 0) {
      this.sink({ event: "refused", returnCode, reason: refusalReason(returnCode) });
      return;
    }
    const { broker, clientId, cleanSession, keepAlive, will } = this.settings;
    this.#state = "connected";
    this.#accepted = true;
    this.#everAccepted = true;
    this.#retries.accepted(Date.now());
    this.#inbox.opened(sessionPresent);
    const session = { cleanSession, sessionPresent, keepAlive, protocolVersion: "3.1.1" };
    this.sink({ event: "connected", broker, clientId, ...session, will });
  }

  #socketClosed(): void {
    if (this.#is("closed")) return;
    const wasConnected = this.#accepted;
    this.#accepted = false;
    if (wasConnected) this.#tellDisconnected();
    if (this.#is("ending")) return this.#finish(null);
    if (this.#returnCode !== 0) return this.#finish(refused(this.settings.broker, this.#returnCode));
    this.#state = "connecting";
    const next = this.#retries.closed(this.#lastError, Date.now());
    if (isUserError(next)) return this.#finish(next);
    if (wasConnected) this.#ready = newReady();
    else this.#warnOnce();
    this.sink({ event: "reconnecting", ...next, reason: reasonFor(this.#lastError) });
    this.#retry = setTimeout(() => this.#reconnect(), next.inSeconds * 1000);
  }

  #tellDisconnected(): void {
    const graceful = this.#disconnectSent && this.#lastError === null;
    const ours = graceful ? "DISCONNECT sent" : this.#closedHere ? "closed here, without DISCONNECT" : null;
    const reason = ours ?? reasonFor(this.#lastError);
    this.sink({ event: "disconnected", graceful, reason });
  }

  /** The first failure to connect is worth a sentence with a next step; the tries after it are not. */
  #warnOnce(): void {
    if (this.#warned) return;
    this.#warned = true;
    const { broker } = this.settings;
    const { code, message, hint } = noBroker(broker, isLocal(addressOf(broker)), this.#lastError);
    const left = Math.round(this.#retries.left(Date.now()) / 1000);
    this.sink({ event: "warning", code, message, hint: `${hint} (trying for ${left} s more)` });
  }

  #reconnect(): void {
    this.#lastError = null;
    this.#inFlight.markForResending();
    this.#client.reconnect({ outgoingStore: this.#inFlight, incomingStore: this.#received });
  }

  #stopTrying(): void {
    if (this.#is("connecting")) this.destroy();
  }

  #settled(): Promise<unknown> {
    const acknowledged =
      this.#unacknowledged === 0 ? null : new Promise<void>(resolve => (this.#whenAcknowledged = resolve));
    return Promise.all([acknowledged, this.#inbox.idle()]);
  }

  /** mqtt.js would wait without limit for these; each publish() that waits for one is told. */
  #forgetInFlight(): void {
    for (const identifier of Object.keys(this.#client.outgoing))
      this.#client.removeOutgoingMessage(Number(identifier));
  }

  #stoppedError(): UserError {
    return this.#everAccepted
      ? new UserError("closed", "the connection was closed.", "Connect again to go on.")
      : new UserError("stopped", `stopped before a broker answered at ${this.settings.broker}.`, START_ONE);
  }

  #finish(error: UserError | null): void {
    if (this.#is("closed")) return;
    this.#state = "closed";
    this.#forgetInFlight();
    this.#ready.reject(error ?? this.#stoppedError());
    this.#setClosed(error);
  }
}

function newReady() {
  let resolve = () => {};
  let reject = (_error: Error) => {};
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  promise.catch(() => {}); // whoever waits for it gets the error; nobody has to
  return { promise, resolve, reject };
}

/** Waits for the first of these, but no longer than so many milliseconds. */
async function within(limit: number, promises: Promise<unknown>[]): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const time = new Promise(resolve => (timer = setTimeout(resolve, limit)));
  await Promise.race([...promises, time]);
  clearTimeout(timer);
}
