import { type Authenticator, isRefusal, Refusal } from "./auth/authenticator.js";
import { ReturnCode } from "../protocol/return-codes.js";
import type { ClientConnection } from "./client-connection.js";
import { willTopicFault } from "./connack-reasons.js";
import type { ConnectionRegistry } from "./connection-registry.js";
import { limitOf } from "./disconnect-cause.js";
import type { EventThrottle } from "./event-throttle.js";
import { LimitError, type Limits, topicPastLimit } from "./limits/limits.js";
import type { StoreQuota } from "./limits/store-quota.js";
import { WillQuota } from "./limits/will-quota.js";
import type { ConnectPacket } from "./protocol-engine.js";
import { durable, type Store } from "./store/store.js";

/** Handles CONNECT: checks it, logs the client in, takes over its identifier and opens its session. */
export class ConnectHandler {
  readonly #willQuota: WillQuota;

  constructor(
    private readonly connections: ConnectionRegistry,
    private readonly store: Store,
    private readonly quota: StoreQuota,
    private readonly limits: Limits,
    private readonly authenticator: Authenticator,
    private readonly throttle: EventThrottle,
  ) {
    this.#willQuota = new WillQuota(limits["will-bytes"]);
  }

  check(connection: ClientConnection, packet: ConnectPacket): Error | null {
    connection.connectPacket = packet;
    if (!packet.will) return null;
    const { topic } = packet.will;
    const fault = willTopicFault(topic);
    if (fault !== null) return new Error(fault);
    const limit = topicPastLimit(topic, this.limits);
    return limit && new LimitError(limit);
  }

  /** Resolves with the return code of CONNACK. */
  async connect(
    connection: ClientConnection,
    username: string | undefined,
    password: Buffer | undefined,
  ): Promise<number> {
    const packet = connection.connectPacket;
    if (!packet) throw new Error("a connection without CONNECT");
    // aedes would generate a name that the client of a stored session never learns. MQTT 3.1 requires a name.
    if (packet.clientId === "" && !(packet.isClean && packet.protocolVersion === 4))
      return ReturnCode.identifierRejected;
    const max = this.limits["client-id-bytes"];
    if (Buffer.byteLength(connection.clientId) > max) {
      connection.reachLimit({ name: "client-id-bytes", max });
      return ReturnCode.identifierRejected;
    }
    try {
      await this.#logIn(connection, packet, username, password);
      await this.#openSession(connection, packet);
      return 0;
    } catch (error) {
      return refusalCode(connection, error as Error);
    }
  }

  /** @throws Refusal */
  async #logIn(
    connection: ClientConnection,
    packet: ConnectPacket,
    username: string | undefined,
    password: Buffer | undefined,
  ): Promise<void> {
    const address = hostOf(connection.address);
    const isOpen = () => !connection.isClosed;
    const login = await this.authenticator.logIn({ username, password, address }, isOpen);
    connection.authorize(login, this.authenticator.permissionsOf(login.user, connection.clientId));
    if (!packet.will || connection.mayPublish(packet.will.topic)) return;
    connection.emitNotAuthorized("publish", packet.will.topic);
    throw new Refusal(ReturnCode.notAuthorized, "no right to the will's topic");
  }

  /**
   * Waits until an older connection with the same client identifier is over. aedes would go on at once, and the end of
   * the older one could then end the new one's session. @throws Refusal, LimitError
   */
  async #openSession(connection: ClientConnection, { isClean, will }: ConnectPacket): Promise<void> {
    const { clientId, user } = connection;
    this.#checkOwner(clientId, user);
    await this.connections.takeOver(connection);
    const limit =
      (isClean ? null : this.quota.session(clientId)) ?? this.#willQuota.reserve(will, connection.over);
    if (limit) throw new LimitError(limit);
    const session = isClean ? this.store.openClean(clientId) : this.store.openStored(clientId, user);
    connection.openSession(session);
    connection.dropForbidden();
    if (session.isStored && !session.isEstablished) await durable(this.store);
    await new Promise<void>(resolve => this.throttle.whenIdle(resolve));
  }

  /** Protects the connection and the session of another user. @throws Refusal */
  #checkOwner(clientId: string, user: string | null): void {
    const holder = this.connections.byId(clientId);
    const owner = this.store.storedSession(clientId)?.user ?? null;
    const isTaken = holder !== undefined && !holder.isClosed && holder.user !== user;
    if (isTaken || !this.authenticator.mayResume(user, owner))
      throw new Refusal(ReturnCode.identifierRejected, "it is another user's");
  }

  /** Ends the stored session, its queue included [MQTT-3.1.2-6]. */
  async endStoredSession(clientId: string): Promise<void> {
    const session = this.store.storedSession(clientId);
    if (!session) return;
    this.store.end(session);
    const queued = session.queue.length;
    if (session.isEstablished) this.throttle.emit({ event: "session-ended", clientId, queued });
    await durable(this.store);
  }
}

/** Notes why the client is refused, for the log. */
function refusalCode(connection: ClientConnection, error: Error): number {
  if (isRefusal(error)) {
    connection.refusal = error.message;
    return error.returnCode;
  }
  const limit = limitOf(error);
  if (limit) connection.reachLimit(limit);
  return ReturnCode.serverUnavailable;
}

/** Returns the address without its port. */
const hostOf = (address: string) => address.slice(0, address.lastIndexOf(":"));
