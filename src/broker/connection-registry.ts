import type { Client, PublishPacket } from "aedes";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { ReachedLimit } from "../events/events.js";
import { BROKER_STATUS_TOPIC, isSysTopic, topicFilterProblem } from "../protocol/topics.js";
import {
  flushBeforeClose,
  limitIdleTime,
  type AedesBroker,
  type AedesClient,
  hasDisconnected,
  deferPipelined,
  refuseInvalidStrings,
  refuseInvalidPackets,
  limitConnectTime,
  refuseLargePackets,
  skipClosedClients,
  disableAedesDistribution,
  disableAedesLimits,
  watchPartialPackets,
  watchPackets,
} from "./aedes/internals.js";
import { type Authenticator, isRefusal, ANONYMOUS, Refusal, ReturnCode } from "./auth/authenticator.js";
import { causeOfError, limitOf, REFUSED, willClause } from "./disconnect-cause.js";
import { ClientConnection, messageOf } from "./client-connection.js";
import type { ApplicationMessage } from "./message.js";
import { LimitError, type Limits, pastLimit, topicPastLimit } from "./limits/limits.js";
import type { EventThrottle } from "./event-throttle.js";
import { isNoSubscription } from "./aedes/persistence.js";
import { Router } from "./router.js";
import { QueueLimiter } from "./limits/queue-limiter.js";
import { notMqttReason, refusalReason, willTopicFault } from "./connack-reasons.js";
import type { Session } from "./session/session.js";
import { StoreQuota } from "./limits/store-quota.js";
import { brokerStatusOf } from "./broker-status.js";
import { durable, type DoneCallback, type Store } from "./store/store.js";
import { PartialPackets } from "./limits/partial-packets.js";
import { SlowConsumers } from "./limits/slow-consumers.js";
import { WillQuota } from "./limits/will-quota.js";

const NO_ROOM = { name: "disk", max: null } as const;

/** Every connection of the broker; turns what aedes' hooks and events say into our events. */
export class ConnectionRegistry {
  readonly #broker: AedesBroker;
  readonly #store: Store;
  readonly #limits: Limits;
  readonly #limit: QueueLimiter;
  readonly #room: StoreQuota;
  readonly #unfinished: PartialPackets;
  readonly #unread: SlowConsumers;
  readonly #wills: WillQuota;
  readonly #access: Authenticator;
  /** Who has no user name may come in, as far as was looked last. */
  #isOpenToNobody: boolean;
  readonly #pace: EventThrottle;
  /** Tell of every packet. */
  readonly #debug: boolean;
  readonly #publications: Router;
  readonly #open = new Set<ClientConnection>();
  /** Weak, since the news of a published will may come long after its connection is gone. */
  readonly #byClient = new WeakMap<object, ClientConnection>();
  /** The newest connection of each client identifier. */
  readonly #byId = new Map<string, ClientConnection>();

  constructor(
    broker: AedesBroker,
    store: Store,
    limits: Limits,
    access: Authenticator,
    pace: EventThrottle,
    debug: boolean,
  ) {
    this.#broker = broker;
    this.#store = store;
    this.#limits = limits;
    this.#limit = new QueueLimiter(store, limits, pace);
    this.#room = new StoreQuota(store, limits);
    this.#unfinished = new PartialPackets(limits["unfinished-bytes"]);
    this.#unread = new SlowConsumers(limits);
    this.#wills = new WillQuota(limits["will-bytes"]);
    this.#access = access;
    this.#isOpenToNobody = access.holds(ANONYMOUS);
    this.#pace = pace;
    this.#debug = debug;
    this.#publications = new Router(store, this.#room, this.#limit, pace);
    disableAedesLimits(broker);
    disableAedesDistribution(broker);
    skipClosedClients(broker);
    this.#hook();
    this.#listen();
  }

  /** By aedes' client. */
  of(client: object | null): ClientConnection | undefined {
    return client ? this.#byClient.get(client) : undefined;
  }

  /** Whether a connection with that client identifier is open. */
  holdsId(clientId: string): boolean {
    return this.#byId.has(clientId);
  }

  /** @param stream what MQTT is spoken on: the socket itself, or what lies on it */
  add(stream: Duplex, socket: Socket): void {
    const client = this.#broker.handle(stream) as AedesClient;
    refuseInvalidStrings(client);
    refuseLargePackets(client, this.#limits["packet-bytes"]);
    limitConnectTime(client, this.#limits);
    // What came before the end is still parsed after it, when nobody would forget it any more.
    watchPartialPackets(client, (packet, bytes) =>
      this.#unfinished.tell(client, packet, stream.destroyed ? 0 : bytes),
    );
    flushBeforeClose(client, stream, goOn => this.#store.onDurable(goOn));
    const connection = new ClientConnection(
      client,
      stream,
      socket,
      this.#store,
      this.#limit,
      this.#unread,
      this.#pace,
    );
    refuseInvalidPackets(client, (acknowledgment, packetId) =>
      connection.acknowledges(acknowledgment, packetId),
    );
    if (this.#debug) watchPackets(client, (...packet) => connection.tellPacket(...packet));
    this.#open.add(connection);
    this.#byClient.set(client, connection);
    stream.once("close", () => {
      this.#unfinished.forget(client);
      this.#unfinished.forget(stream);
      connection.socketClosed(this.#broker.clients[client.id] === client);
    });
    void connection.gone.then(() => this.#forget(connection));
  }

  /** Beneath that stream, of what is not complete there; what the parser keeps comes on top of it. */
  keeps(stream: Duplex, message: object, bytes: number): void {
    this.#unfinished.tell(stream, message, stream.destroyed ? 0 : bytes);
  }

  /** Somebody came and never spoke MQTT: anybody can, as often as the network carries. */
  refused({ remoteAddress, remotePort }: Socket, reason: string, limit: ReachedLimit | null = null): void {
    const address = `${remoteAddress}:${remotePort}`;
    this.#pace.emitSampled(() => ({ event: "client-refused", clientId: null, address, reason, limit }));
  }

  /** Nor agreed in time on what lies under it. */
  late(socket: Socket): void {
    const limit = { name: "connect-seconds", max: this.#limits["connect-seconds"] } as const;
    this.refused(socket, pastLimit(limit), limit);
  }

  /** All the wills before any connection ends, so that a watcher who has a will itself sees the others'. */
  async publishWills(): Promise<void> {
    const publish = (connection: ClientConnection) => (will: PublishPacket, published: () => void) =>
      this.#publications.accept(messageOf(will), { willOf: connection.clientId, will }, published);
    await Promise.all(this.all().map(connection => connection.publishWill(publish(connection))));
  }

  /** Of the clients that were connected when a broker died with this store [MQTT-3.1.2-8]. */
  async publishWillsOfTheDead(): Promise<void> {
    const cause = "broker-stopped";
    const publish = ([clientId, will, user]: [string, ApplicationMessage, string | null]) =>
      new Promise<void>(resolve => {
        const { topic } = will;
        const isRefused = !this.#access.rightsOf(user, clientId).mayPublish(topic);
        if (isRefused) {
          this.#store.clearWill(clientId);
          const because = { cause: "not-authorized", clause: REFUSED } as const;
          this.#pace.emit({ event: "will-discarded", clientId, topic, ...because });
          return resolve();
        }
        this.#publications.accept(will, { willOf: clientId, will }, () => {
          this.#pace.emit({ event: "will-published", clientId, topic, cause, clause: willClause[cause] });
          resolve();
        });
      });
    await Promise.all(Array.from(this.#store.wills(), publish));
  }

  /** Users are gone, or have another password; or may do more, or less. */
  rightsChanged(): void {
    for (const connection of this.all()) {
      const { login, user, clientId } = connection;
      if (!login) continue;
      connection.authorize(login, this.#access.rightsOf(user, clientId));
      if (this.#access.holds(login)) connection.dropForbidden();
      else void connection.end("not-authorized");
    }
    this.dropForbidden();
  }

  /** Nothing more is queued for an absent client that its session's owner may not receive any more. */
  dropForbidden(): void {
    // What was nobody's before there were users is the first one's who asks for it, and is judged then.
    const judgesNobody = this.#isOpenToNobody || this.#access.holds(ANONYMOUS);
    this.#isOpenToNobody = this.#access.holds(ANONYMOUS);
    for (const session of this.#store.storedSessions()) {
      const { user, clientId } = session;
      if (user === null && !judgesNobody) continue;
      const rights = this.#access.rightsOf(user, clientId);
      for (const topicFilter of session.subscriptions.keys()) {
        if (rights.maySubscribe(topicFilter)) continue;
        this.#store.unsubscribe(session, topicFilter);
        const gone = { clientId, user, action: "subscribe", topic: topicFilter } as const;
        this.#pace.emitIfIdle(() => ({ event: "not-authorized", ...gone }));
        this.#pace.emitIfIdle(() => ({ event: "unsubscribed", clientId, topicFilter, qos: null }));
      }
    }
  }

  all(): ClientConnection[] {
    return [...this.#open];
  }

  /** With what the broker holds, for who asks for that. */
  #foundBy(topicFilter: string): Iterable<ApplicationMessage | null> {
    return topicFilter === BROKER_STATUS_TOPIC ? this.#status() : this.#store.foundRetained(topicFilter);
  }

  *#status(): Iterable<ApplicationMessage> {
    const payload = Buffer.from(JSON.stringify(brokerStatusOf(this.#store, this.all())));
    yield { topic: BROKER_STATUS_TOPIC, payload, qos: 1, retain: true };
  }

  #forget(connection: ClientConnection): void {
    this.#open.delete(connection);
    if (this.#byId.get(connection.clientId) === connection) this.#byId.delete(connection.clientId);
  }

  #willFault(topic: string): Error | null {
    const fault = willTopicFault(topic);
    if (fault !== null) return new Error(fault);
    const limit = topicPastLimit(topic, this.#limits);
    return limit && new LimitError(limit);
  }

  /** aedes' hooks: what it asks before it acts. */
  #hook(): void {
    const broker = this.#broker;
    broker.preConnect = (client, packet, callback) => {
      const connection = this.of(client);
      if (connection) connection.connect = packet;
      deferPipelined(client as AedesClient);
      const fault = packet.will ? this.#willFault(packet.will.topic) : null;
      callback(fault, fault === null);
    };
    broker.authenticate = (client, username, password, done) => {
      const connection = this.of(client);
      if (!connection) return;
      // Without this aedes gives a stored session to a name that its client never learns; MQTT 3.1 wants one always.
      if (connection.connect?.clientId === "" && !(client.clean && client.version === 4))
        return done(
          Object.assign(new Error("identifier rejected"), { returnCode: ReturnCode.identifierRejected }),
          null,
        );
      const refuse = (error: Error, returnCode: number) => {
        const limit = limitOf(error);
        if (limit) connection.reaches(limit);
        done(Object.assign(error, { returnCode }), null);
      };
      const max = this.#limits["client-id-bytes"];
      if (Buffer.byteLength(client.id) > max)
        return refuse(new LimitError({ name: "client-id-bytes", max }), ReturnCode.identifierRejected);
      this.#logIn(client, connection, username, password)
        .then(() => this.#accept(client, connection, () => done(null, true)))
        .catch((error: Error) => {
          if (!isRefusal(error)) return refuse(error, ReturnCode.serverUnavailable);
          connection.refusal = error.message;
          done(error, null);
        });
    };
    broker.authorizeSubscribe = (client, subscription, callback) => {
      if (isNoSubscription(subscription)) return callback(null, null);
      const problem = topicFilterProblem(subscription.topic);
      if (problem) return callback(new Error(problem), null);
      const connection = this.of(client);
      const refused = subscription.topic === BROKER_STATUS_TOPIC && connection?.isLocal !== true;
      const session = connection?.session;
      if (refused || !session) return callback(null, null);
      connection.inTurn(true, () => {
        const topicFilter = subscription.topic;
        if (!connection.maySubscribe(topicFilter)) {
          connection.notAuthorized("subscribe", topicFilter);
          return callback(null, null);
        }
        const limit = this.#room.subscription(session, topicFilter);
        if (limit) {
          const { clientId } = connection;
          this.#pace.emitSampled(() => ({ event: "subscription-refused", clientId, topicFilter, limit }));
          return callback(null, null);
        }
        const retained = this.#foundBy(topicFilter);
        connection.subscribe(subscription, retained, error => callback(error, error ? null : subscription));
      });
    };
    broker.authorizePublish = (client, packet, callback) => {
      const connection = this.of(client);
      const isWill = connection?.isItsWill(packet) === true;
      if (isWill) connection.willIsDue();
      const tooLate = !isWill && client !== null && hasDisconnected(client as AedesClient);
      const publish = () => {
        if (isSysTopic(packet.topic)) return callback(new Error("topics under $SYS are the broker's own"));
        if (tooLate) return callback(new Error("a PUBLISH after DISCONNECT [MQTT-3.14.4-2]"));
        if (connection && !connection.mayPublish(packet.topic)) {
          if (isWill) connection.willRefused();
          else {
            connection.notAuthorized("publish", packet.topic);
            connection.ending("not-authorized");
          }
          return callback(new Error(`not authorized ${REFUSED}`));
        }
        const taken = (error: Error | null) => {
          if (error) return callback(limitOf(error) ? error : new LimitError(NO_ROOM, { cause: error }));
          if (isWill) connection.willPublished();
          callback(null);
        };
        const limit = topicPastLimit(packet.topic, this.#limits);
        if (limit && !isWill) return callback(new LimitError(limit));
        if (isWill)
          this.#publications.accept(messageOf(packet), { willOf: connection.clientId, will: packet }, taken);
        else this.#take(packet, connection?.session ?? null, taken);
      };
      // Without RETAIN there is nothing that has to be told of it: a log that is read slowly holds no message up.
      if (connection) connection.inTurn(isWill || packet.retain, publish);
      else publish();
    };
  }

  /** Before its sender is answered, a message is where it belongs. A QoS 2 one is taken once [MQTT-4.3.3-2]. */
  #take(packet: PublishPacket, session: Session | null, settle: DoneCallback): void {
    const packetId = packet.qos === 2 ? packet.messageId : undefined;
    const arrival = session && packetId !== undefined ? { session, packetId } : null;
    const isKnown = () => arrival?.session.inboundQos2.has(arrival.packetId) === true;
    if (!isKnown()) {
      const limit = arrival && this.#room.arrival(arrival.session);
      if (limit) return settle(new LimitError(limit));
      return this.#publications.accept(messageOf(packet), arrival, settle);
    }
    // Its first coming may not be safe yet, and may be refused.
    this.#store.onDurable(error =>
      error || isKnown() ? settle(error) : this.#take(packet, session, settle),
    );
  }

  /** @throws Refusal */
  async #logIn(
    client: Client,
    connection: ClientConnection,
    username: string | undefined,
    password: Buffer | undefined,
  ): Promise<void> {
    const { connect, address } = connection;
    if (connect) delete connect.password; // which nobody needs any more
    const isThere = () => !connection.isClosed;
    const login = await this.#access.logIn({ username, password, address: hostOf(address) }, isThere);
    connection.authorize(login, this.#access.rightsOf(login.user, client.id));
    const willTopic = connect?.will?.topic;
    if (willTopic !== undefined && !connection.mayPublish(willTopic)) {
      connection.notAuthorized("publish", willTopic);
      throw new Refusal(ReturnCode.notAuthorized, "no right to the will's topic");
    }
  }

  /** Another user's connection is not disturbed, and another user's session is not looked into. @throws Refusal */
  #checkId(clientId: string, user: string | null): void {
    const holder = this.#byId.get(clientId);
    const owner = this.#store.stored(clientId)?.user ?? null;
    const isTaken = holder !== undefined && !holder.isClosed && holder.user !== user;
    if (isTaken || !this.#access.mayResume(user, owner))
      throw new Refusal(ReturnCode.identifierRejected, "it is another user's");
  }

  /**
   * Waits until an older connection with the same client identifier is gone. aedes would go on at once, and the older
   * one's clean-up could then end the session that the new one has.
   */
  async #accept(client: Client, connection: ClientConnection, goOn: () => void): Promise<void> {
    const { user } = connection;
    this.#checkId(client.id, user);
    const previous = this.#byId.get(client.id);
    this.#byId.set(client.id, connection);
    await previous?.end("taken-over");
    const limit =
      (client.clean ? null : this.#room.session(client.id)) ??
      this.#wills.keep(connection.connect?.will ?? null, connection.gone);
    if (limit) throw new LimitError(limit);
    const session = client.clean ? this.#store.openClean(client.id) : this.#store.openStored(client.id, user);
    connection.accept(session);
    connection.dropForbidden();
    if (session.stored && !session.established) await durable(this.#store);
    this.#pace.whenIdle(goOn);
  }

  /** A WebSocket's frame that is too large for any packet is one of the limits' errors too. */
  #named(error: NodeJS.ErrnoException): Error {
    if (error.code !== "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH") return error;
    return new LimitError({ name: "packet-bytes", max: this.#limits["packet-bytes"] }, { cause: error });
  }

  /** aedes' events: what it has done. */
  #listen(): void {
    const broker = this.#broker;
    broker.on("connackSent", (connack, client) => {
      const connection = this.of(client);
      const connect = connection?.connect;
      if (!connection || !connect) return;
      const { returnCode = 0, sessionPresent } = connack;
      if (returnCode === 0) {
        connection.connected(connect, sessionPresent);
        limitIdleTime(client as AedesClient, this.#limits);
      } else connection.refused(limit => refusalReason(returnCode, connect, limit, connection.refusal));
    });
    broker.on("connectionError", (client, cause) => {
      const error = this.#named(cause);
      if (causeOfError(error) !== "network-error")
        this.of(client)?.refused(limit => notMqttReason(error, limit), limitOf(error));
    });
    broker.on("clientError", (client, cause) => {
      const error = this.#named(cause);
      this.of(client)?.ending(causeOfError(error), limitOf(error));
    });
    broker.on("keepaliveTimeout", client => this.of(client)?.ending("keep-alive-timeout"));
    broker.on("clientDisconnect", client => this.of(client)?.closed());
    broker.on("subscribe", (subscriptions, client) => {
      for (const { topic, qos } of subscriptions)
        if (qos <= 2)
          // 0x80 has been refused
          this.#pace.emit({ event: "subscribed", clientId: client.id, topicFilter: topic, qos });
      this.of(client)?.subscribed();
    });
    broker.on("unsubscribe", (topicFilters, client) => {
      // aedes asks its persistence only where the session is a stored one; and says so of every clean one that ends.
      if (client.clean && !client.closed) this.of(client)?.unsubscribe(topicFilters);
    });
  }
}

/** Without the port. */
const hostOf = (address: string) => address.slice(0, address.lastIndexOf(":"));
