import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { BrokerEvent, EndCause, ReachedLimit } from "../events/events.js";
import { describePacket } from "../protocol/describe-packet.js";
import type { Login, Permissions } from "./auth/authenticator.js";
import { causeOfEnd, REFUSED, willClause } from "./disconnect-cause.js";
import type { ApplicationMessage } from "./message.js";
import { isLoopback } from "./net/loopback.js";
import type { ConnectPacket, EngineClient } from "./protocol-engine.js";
import { ActiveSession, type SessionContext } from "./session/active-session.js";
import type { Session } from "./session/session.js";

const PROTOCOL_VERSIONS: Record<number, string> = { 3: "3.1", 4: "3.1.1" };

/** One network connection, from its first byte until its will is published or discarded, and the events about it. */
export class ClientConnection {
  readonly address: string;
  /** True for a connection from this computer. */
  readonly isLocal: boolean;
  /** Resolves when the connection is over and the engine has let go of it. */
  readonly over: Promise<void>;
  /** Null until it is received. */
  connectPacket: ConnectPacket | null = null;
  /** Why the login failed, for the log. */
  refusal: string | null = null;
  readonly #client: EngineClient;
  readonly #stream: Duplex;
  readonly #context: SessionContext;
  #phase: "new" | "refused" | "connected" | "ended" = "new";
  #cause: EndCause | null = null;
  /** The limit that ends the connection, or for which it is refused. */
  #reachedLimit: ReachedLimit | null = null;
  #isWillDue = false;
  #wasConnected = false;
  #login: Login | null = null;
  #permissions: Permissions | null = null;
  #active: ActiveSession | null = null;
  /** Packets that wait until the sink is idle. */
  #deferred = 0;
  #resolveOver = () => {};

  constructor(
    client: EngineClient,
    stream: Duplex,
    { remoteAddress, remotePort }: Socket,
    context: SessionContext,
  ) {
    this.#client = client;
    this.#stream = stream;
    this.#context = context;
    this.isLocal = isLoopback(remoteAddress ?? "");
    this.address = `${remoteAddress}:${remotePort}`;
    this.over = new Promise(resolve => {
      this.#resolveOver = resolve;
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

  /** Sets the permissions after login, and again when the file of users has changed. */
  authorize(login: Login, permissions: Permissions): void {
    this.#login = login;
    this.#permissions = permissions;
  }

  mayPublish(topicName: string): boolean {
    return this.#permissions?.mayPublish(topicName) === true;
  }

  maySubscribe(topicFilter: string): boolean {
    return this.#permissions?.maySubscribe(topicFilter) === true;
  }

  /** Null until the client is accepted. */
  get active(): ActiveSession | null {
    return this.#active;
  }

  get session(): Session | null {
    return this.#active?.session ?? null;
  }

  /** Runs a packet's handler. If it emits an event that must not be lost, it waits until the sink is idle. */
  handleInTurn(emits: boolean, handle: () => void): void {
    if (!emits && this.#deferred === 0) return handle();
    this.#deferred += 1;
    this.#context.throttle.whenIdle(() => {
      this.#deferred -= 1;
      handle();
    });
  }

  openSession(session: Session): void {
    this.#active = new ActiveSession(session, this.#stream, this.#context, this);
  }

  /** CONNACK has accepted the client. */
  onConnected(packet: ConnectPacket, sessionPresent: boolean): void {
    const active = this.#active;
    if (this.#phase !== "new" || !active) return;
    this.#phase = "connected";
    const { clientId, address, user } = this;
    const { isClean, keepAlive, will } = packet;
    const protocolVersion = PROTOCOL_VERSIONS[packet.protocolVersion] ?? "unknown";
    const event = "client-connected";
    this.#emit({
      event,
      clientId,
      address,
      cleanSession: isClean,
      sessionPresent,
      keepAlive,
      protocolVersion,
      user,
    });
    const { session } = active;
    session.isEstablished = true;
    if (sessionPresent) this.#emit({ event: "session-resumed", clientId, queued: session.queue.length });
    if (will) {
      const { topic, qos, retain } = will;
      this.#emit({ event: "will-stored", clientId, topic, qos, retain });
    }
    active.start();
  }

  onPacket(direction: "sent" | "received", packet: { cmd: string }): void {
    const clientId = this.connectPacket?.clientId ?? null;
    const { address } = this;
    const description = describePacket(packet);
    this.#context.throttle.emitSampled(() => ({
      event: "packet",
      clientId,
      address,
      direction,
      description,
    }));
  }

  /** Sets the limit for which CONNACK refuses the client. */
  reachLimit(limit: ReachedLimit): void {
    this.#reachedLimit = limit;
  }

  /** @param reasonOf returns the reason, given the limit that was reached */
  onRefused(reasonOf: (limit: ReachedLimit | null) => string, limit = this.#reachedLimit): void {
    if (this.#phase !== "new") return;
    this.#phase = "refused";
    const { address, connectPacket } = this;
    const event = "client-refused";
    const reason = reasonOf(limit);
    if (connectPacket) this.#emit({ event, clientId: connectPacket.clientId, address, reason, limit });
    // Anyone can send nonsense as often as the network carries it.
    else this.#context.throttle.emitSampled(() => ({ event, clientId: null, address, reason, limit }));
  }

  /** Sets the cause of the connection's end. The first one counts, if it comes before the end and before DISCONNECT. */
  setEndCause(cause: EndCause, limit: ReachedLimit | null = null): void {
    if (this.#client.isClosed || this.#client.hasDisconnected || this.#cause !== null) return;
    this.#cause = cause;
    this.#reachedLimit = limit;
  }

  get isClosed(): boolean {
    return this.#client.isClosed;
  }

  get hasDisconnected(): boolean {
    return this.#client.hasDisconnected;
  }

  /** Ends the connection and resolves when it is over. */
  end(cause: EndCause): Promise<void> {
    this.setEndCause(cause);
    this.#client.close();
    return this.over;
  }

  emitNotAuthorized(action: "publish" | "subscribe", topic: string): void {
    this.#emit({ event: "not-authorized", clientId: this.clientId, user: this.user, action, topic });
  }

  /** Removes the subscriptions that the client has no right to any longer. */
  dropForbidden(): void {
    for (const topicFilter of this.session?.subscriptions.keys() ?? []) {
      if (this.maySubscribe(topicFilter)) continue;
      this.emitNotAuthorized("subscribe", topicFilter);
      this.#active?.unsubscribe([topicFilter]);
    }
  }

  /** The connection is over, and the broker is about to publish its will. */
  onWillDue(): void {
    this.#isWillDue = true;
    this.#end();
  }

  onWillPublished(): void {
    this.#endWill("will-published", this.#cause);
  }

  /** The client has no right to publish its will. */
  onWillRefused(): void {
    this.#endWill("will-discarded", "not-authorized");
  }

  /** The engine has let go of the connection, and of a will that it does not publish. */
  onClose(): void {
    this.#end();
    if (this.#wasConnected && !this.#isWillDue) this.#endWill("will-discarded", this.#cause);
    this.#resolveOver();
  }

  /** Publishes the will while the clients that watch it are still connected. */
  async publishWill(publish: (will: ApplicationMessage, done: () => void) => void): Promise<void> {
    const will = this.#client.takeWill();
    if (!will) return;
    this.#isWillDue = true;
    this.#emitEnd(); // the session stays active: the wills of others are still to be delivered
    if (!this.mayPublish(will.topic)) return this.onWillRefused();
    await new Promise<void>(resolve => publish(will, resolve));
    this.onWillPublished();
  }

  /** Sends what is written, and FIN. */
  finish(): Promise<void> {
    return new Promise(resolve => {
      this.#stream.once("close", () => resolve());
      this.#stream.end(resolve);
    });
  }

  destroy(): void {
    this.#stream.destroy();
  }

  #emit(event: BrokerEvent): void {
    this.#context.throttle.emit(event);
  }

  #end(): void {
    this.#emitEnd();
    this.#active?.end();
  }

  #emitEnd(): void {
    if (this.#phase === "ended") return;
    this.#wasConnected = this.#phase === "connected";
    this.#phase = "ended";
    this.#cause ??= causeOfEnd(this.#client, this.#stream);
    if (!this.#wasConnected) return;
    const { clientId, session } = this;
    const cause = this.#cause;
    const limit = cause === "limit" ? this.#reachedLimit : null;
    this.#emit({ event: "client-disconnected", clientId, cause, limit });
    // In memory no session outlives the broker.
    if (session?.isStored && (cause !== "broker-stopped" || this.#context.store.folder !== null))
      this.#emit({ event: "session-stored", clientId, queued: session.queue.length });
  }

  #endWill(event: "will-published" | "will-discarded", cause: EndCause | null): void {
    const will = this.connectPacket?.will;
    if (!will || cause === null) return;
    const { clientId } = this;
    const { store } = this.#context;
    if (store.will(clientId) === will) store.clearWill(clientId);
    const clause = event === "will-discarded" && cause === "not-authorized" ? REFUSED : willClause[cause];
    this.#emit({ event, clientId, topic: will.topic, cause, clause });
  }
}
