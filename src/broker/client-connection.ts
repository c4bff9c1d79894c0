import type { ConnectPacket, PublishPacket } from "aedes";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { BrokerEvent, EndCause, ReachedLimit } from "../events/events.js";
import { describePacket } from "../protocol/describe-packet.js";
import { type Acknowledgment, acknowledgmentFault } from "./session/acknowledgment-rules.js";
import { type AedesClient, hasDisconnected } from "./aedes/internals.js";
import { causeOfEnd, REFUSED, willClause } from "./disconnect-cause.js";
import { Sender } from "./session/sender.js";
import { isLoopback } from "./net/loopback.js";
import type { Login, Permissions } from "./auth/authenticator.js";
import type { ApplicationMessage } from "./message.js";
import type { EventThrottle } from "./event-throttle.js";
import type { QueueLimiter } from "./limits/queue-limiter.js";
import { RetainedSender } from "./session/retained-sender.js";
import type { Session, StoredSubscription } from "./session/session.js";
import type { DoneCallback, Store } from "./store/store.js";
import type { SlowConsumers } from "./limits/slow-consumers.js";

const PROTOCOL_VERSIONS: Record<number, string> = { 3: "3.1", 4: "3.1.1" };

/** One network connection, from its first byte to what became of its will, and the events that tell so. */
export class ClientConnection {
  readonly address: string;
  /** It comes from this computer. */
  readonly isLocal: boolean;
  /** Kept when the connection is over and nothing of it is registered any more. */
  readonly gone: Promise<void>;
  /** What the client sent as CONNECT, once it has. */
  connect: ConnectPacket | null = null;
  /** Why the log-in failed, for the log. */
  refusal: string | null = null;
  readonly #client: AedesClient;
  /** What MQTT is spoken on. */
  readonly #stream: Duplex;
  readonly #store: Store;
  readonly #limit: QueueLimiter;
  readonly #unread: SlowConsumers;
  readonly #pace: EventThrottle;
  #phase: "new" | "refused" | "connected" | "ended" = "new";
  #cause: EndCause | null = null;
  /** Past which the client went, where that is the cause, or why it is refused. */
  #reached: ReachedLimit | null = null;
  #willDue = false;
  #wasConnected = false;
  #login: Login | null = null;
  #rights: Permissions | null = null;
  #session: Session | null = null;
  #delivery: Sender | null = null;
  #retained: RetainedSender | null = null;
  /** What waits until the sink is free. */
  #held = 0;
  #resolveGone = () => {};

  constructor(
    client: AedesClient,
    stream: Duplex,
    { remoteAddress, remotePort }: Socket,
    store: Store,
    limit: QueueLimiter,
    unread: SlowConsumers,
    pace: EventThrottle,
  ) {
    this.#client = client;
    this.#stream = stream;
    this.#store = store;
    this.#limit = limit;
    this.#unread = unread;
    this.#pace = pace;
    this.isLocal = isLoopback(remoteAddress ?? "");
    this.address = `${remoteAddress}:${remotePort}`;
    this.gone = new Promise(resolve => {
      this.#resolveGone = resolve;
    });
  }

  get clientId(): string {
    return this.#client.id;
  }

  /** Null before the client has logged in. */
  get login(): Login | null {
    return this.#login;
  }

  get user(): string | null {
    return this.#login?.user ?? null;
  }

  /** The client has logged in, or may now do what it could not before, or less. */
  authorize(login: Login, rights: Permissions): void {
    this.#login = login;
    this.#rights = rights;
  }

  /** Nothing before the client has logged in. */
  mayPublish(topicName: string): boolean {
    return this.#rights?.mayPublish(topicName) === true;
  }

  maySubscribe(topicFilter: string): boolean {
    return this.#rights?.maySubscribe(topicFilter) === true;
  }

  /** Since the client was accepted. */
  get session(): Session | null {
    return this.#session;
  }

  /** What has to be told waits for a slow sink, and so does what the client has sent behind it. */
  inTurn(isTold: boolean, goOn: () => void): void {
    if (!isTold && this.#held === 0) return goOn();
    this.#held += 1;
    this.#pace.whenIdle(() => {
      this.#held -= 1;
      goOn();
    });
  }

  /** The client is accepted. */
  accept(session: Session): void {
    this.#session = session;
  }

  /** CONNACK is out. */
  connected(connect: ConnectPacket, sessionPresent: boolean): void {
    if (this.#phase !== "new") return;
    this.#phase = "connected";
    const { clientId } = this;
    this.#emit({
      event: "client-connected",
      clientId,
      address: this.address,
      cleanSession: connect.clean ?? true,
      sessionPresent,
      keepAlive: connect.keepalive ?? 0,
      protocolVersion: PROTOCOL_VERSIONS[connect.protocolVersion ?? 4] ?? "unknown",
      user: this.user,
    });
    const session = this.#session;
    if (!session) return;
    session.established = true;
    if (sessionPresent) this.#emit({ event: "session-resumed", clientId, queued: session.queue.length });
    this.#tellWillStored();
    this.#delivery = new Sender(this.#stream, session, this.#store, this.#unread, {
      onDelivered: (topic, packetId) => this.#tellMessage("message-delivered", topic, packetId),
      onDropped: (topic, limit) => this.#tellDropped(topic, limit),
      mayReceive: topic => this.maySubscribe(topic),
    });
    this.#retained = new RetainedSender(this.#delivery, session, this.#store, this.#limit);
  }

  /** With --debug: as many as can be told; the rest is counted. */
  tellPacket(direction: "sent" | "received", packet: { cmd: string }): void {
    const clientId = this.connect?.clientId ?? null;
    const description = describePacket(packet);
    this.#pace.emitSampled(() => ({
      event: "packet",
      clientId,
      address: this.address,
      direction,
      description,
    }));
  }

  /** @returns what is wrong with that acknowledgment, or null */
  acknowledges(acknowledgment: Acknowledgment, packetId: number): string | null {
    const session = this.#session;
    const fault = acknowledgmentFault(acknowledgment, session?.queue.sentAs(packetId));
    // aedes tells its store of a PUBREC only where the session is a stored one.
    if (session && !fault && acknowledgment === "pubrec") this.#store.released(session, packetId);
    return fault;
  }

  /** PUBACK or PUBCOMP has come. */
  acknowledged(topic: string, packetId: number | null): void {
    this.#tellMessage("message-acknowledged", topic, packetId);
    this.#delivery?.pump();
  }

  /** @param retained what it finds, to be sent after SUBACK; null stands for what it does not find */
  subscribe(
    subscription: StoredSubscription,
    retained: Iterable<ApplicationMessage | null>,
    settle: DoneCallback,
  ): void {
    const session = this.#session;
    if (!session) return settle(null);
    this.#store.subscribe(session, subscription);
    this.#store.onDurable(error => {
      // What a resumed session has subscribed to before finds nothing anew. What was published before it and is safe
      // by now would not come otherwise.
      if (!error) this.#retained?.enqueue(subscription, retained);
      settle(error);
    });
  }

  /** SUBACK is out. */
  subscribed(): void {
    void this.#retained?.send();
  }

  unsubscribe(topicFilters: string[]): void {
    const session = this.#session;
    for (const topicFilter of new Set(topicFilters)) {
      if (!session?.subscriptions.has(topicFilter)) continue;
      this.#store.unsubscribe(session, topicFilter);
      this.#emit({ event: "unsubscribed", clientId: this.clientId, topicFilter, qos: null });
    }
  }

  /** CONNACK is going to refuse it, since there would be too much. */
  reaches(limit: ReachedLimit): void {
    this.#reached = limit;
  }

  /** @param why for what else than a limit that it has reached already */
  refused(why: (limit: ReachedLimit | null) => string, limit = this.#reached): void {
    if (this.#phase !== "new") return;
    this.#phase = "refused";
    const { address, connect } = this;
    const event = "client-refused";
    const reason = why(limit);
    if (connect) this.#emit({ event, clientId: connect.clientId, address, reason, limit });
    // Anybody can come and say nothing of use, as often as the network carries.
    else this.#pace.emitSampled(() => ({ event, clientId: null, address, reason, limit }));
  }

  /** Something ends the connection now. What comes after its end, or after DISCONNECT, is not the cause. */
  ending(cause: EndCause, limit: ReachedLimit | null = null): void {
    if (this.#client.closed || hasDisconnected(this.#client) || this.#cause !== null) return;
    this.#cause = cause;
    this.#reached = limit;
  }

  get isClosed(): boolean {
    return this.#client.closed;
  }

  /** The broker ends the connection. */
  end(cause: EndCause): Promise<void> {
    this.ending(cause);
    this.#client.close();
    return this.gone;
  }

  /** No right to that topic, or to all of that filter. */
  notAuthorized(action: "publish" | "subscribe", topic: string): void {
    this.#emit({ event: "not-authorized", clientId: this.clientId, user: this.user, action, topic });
  }

  /** What the client has subscribed to, and may not any more, goes. */
  dropForbidden(): void {
    for (const topicFilter of this.#session?.subscriptions.keys() ?? []) {
      if (this.maySubscribe(topicFilter)) continue;
      this.notAuthorized("subscribe", topicFilter);
      this.unsubscribe([topicFilter]);
    }
  }

  isItsWill(message: object): boolean {
    return this.connect?.will === message;
  }

  /** The broker is about to publish the will, since the connection is over. */
  willIsDue(): void {
    this.#willDue = true;
    this.#end();
  }

  willPublished(): void {
    this.#tellWill("will-published", this.#cause);
  }

  /** It may not be published there, or not any more: a will counts as a publication. */
  willRefused(): void {
    this.#tellWill("will-discarded", "not-authorized");
  }

  /** aedes has let go of the connection, and of its will where there was nothing to publish. */
  closed(): void {
    this.#end();
    if (this.#wasConnected && !this.#willDue) this.#tellWill("will-discarded", this.#cause);
    this.#resolveGone();
  }

  /** The socket is closed: of a connection that was never registered nothing else will tell the end. */
  socketClosed(registered: boolean): void {
    if (registered) return;
    this.#end();
    this.#resolveGone();
  }

  /** Publishes the will while those who watch it are still connected; aedes, at its own close, would be late. */
  async publishWill(publish: (will: PublishPacket, published: () => void) => void): Promise<void> {
    const { will, closed } = this.#client;
    if (!will || closed) return;
    this.#client.will = null;
    this.#willDue = true;
    this.#tellEnd(); // and goes on delivering: others' wills are still to come
    if (!this.mayPublish(will.topic)) return this.willRefused();
    await new Promise<void>(resolve => publish(will, resolve));
    this.willPublished();
  }

  /** Sends what is written, and FIN. */
  finish(): Promise<void> {
    return new Promise(resolve => {
      this.#stream.once("close", () => resolve());
      this.#stream.end(resolve);
    });
  }

  /** Cuts off a client that did not take the hint. */
  destroy(): void {
    this.#stream.destroy();
  }

  #emit(event: BrokerEvent): void {
    this.#pace.emit(event);
  }

  #tellWillStored(): void {
    const { will } = this.#client;
    if (!will) return;
    const { topic, qos, retain } = will;
    this.#emit({ event: "will-stored", clientId: this.clientId, topic, qos, retain });
  }

  #tellDropped(topic: string, limit: ReachedLimit | null): void {
    const { clientId } = this;
    const queued = this.#session?.queue.length ?? 0;
    const event = "message-dropped";
    this.#pace.emitSampled(() => ({ event, clientId, topic, packetId: null, queued, limit }));
  }

  #tellMessage(
    event: "message-delivered" | "message-acknowledged",
    topic: string,
    packetId: number | null,
  ): void {
    const queued = this.#session?.queue.length ?? 0;
    this.#pace.emitSampled(() => ({ event, clientId: this.clientId, topic, packetId, queued }));
  }

  #end(): void {
    this.#tellEnd();
    this.#delivery?.end();
    // Of a stored session that no CONNACK told of, nobody knows.
    if (this.#session && !(this.#session.stored && this.#session.established)) this.#store.end(this.#session);
  }

  #tellEnd(): void {
    if (this.#phase === "ended") return;
    this.#wasConnected = this.#phase === "connected";
    this.#phase = "ended";
    this.#cause ??= causeOfEnd(this.#client);
    if (!this.#wasConnected) return;
    const { clientId } = this;
    const limit = this.#cause === "limit" ? this.#reached : null;
    this.#emit({ event: "client-disconnected", clientId, cause: this.#cause, limit });
    // In memory no session outlives the broker.
    if (this.#session?.stored && (this.#cause !== "broker-stopped" || this.#store.folder !== null))
      this.#emit({ event: "session-stored", clientId, queued: this.#session.queue.length });
  }

  #tellWill(event: "will-published" | "will-discarded", cause: EndCause | null): void {
    const will = this.connect?.will;
    if (!will || cause === null) return;
    if (this.#store.will(this.clientId) === will) this.#store.clearWill(this.clientId);
    const clause = event === "will-discarded" && cause === "not-authorized" ? REFUSED : willClause[cause];
    this.#emit({ event, clientId: this.clientId, topic: will.topic, cause, clause });
  }
}

/** What is distributed of a packet. */
export const messageOf = ({ topic, payload, qos, retain }: PublishPacket): ApplicationMessage => ({
  topic,
  payload: ownBytes(payload),
  qos,
  retain,
});

/** A payload is a piece of what was read from the socket; a small one would keep all of that in memory. */
const ownBytes = (payload: Buffer | string) =>
  typeof payload !== "string" && payload.buffer.byteLength > 4 * payload.length
    ? Buffer.from(payload)
    : payload;
