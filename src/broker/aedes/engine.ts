import { Aedes } from "aedes";
import type { Duplex } from "node:stream";
import type { Limits } from "../limits/limits.js";
import type { ApplicationMessage } from "../message.js";
import type { EngineClient, ProtocolEngine, ProtocolHandlers } from "../protocol-engine.js";
import {
  type AedesBroker,
  type AedesClient,
  deferPipelined,
  disableAedesDistribution,
  disableTopicLevelLimit,
  flushBeforeClose,
  hasDisconnected,
  limitConnectTime,
  limitIdleTime,
  noEmitter,
  refuseInvalidPackets,
  refuseInvalidStrings,
  refuseLargePackets,
  skipClosedClients,
  watchPackets,
  watchPartialPackets,
} from "./internals.js";
import { isSessionMarker, Persistence } from "./persistence.js";

interface EngineOptions {
  limits: Limits;
  /** Call `onPacket` for every packet. */
  tracesPackets: boolean;
}

/** aedes as the protocol engine: it parses packets, answers them and measures keep alive. */
export class AedesEngine<C> implements ProtocolEngine<C> {
  readonly #aedes: AedesBroker;
  readonly #handlers: ProtocolHandlers<C>;
  readonly #options: EngineOptions;
  /** Weak, because aedes may report a published will long after the connection is over. */
  readonly #connections: WeakMap<object, C>;
  readonly #reportedClosed = new WeakSet<AedesClient>();

  static async start<C>(handlers: ProtocolHandlers<C>, options: EngineOptions): Promise<AedesEngine<C>> {
    const connections = new WeakMap<object, C>();
    const aedes = (await Aedes.createBroker({
      persistence: new Persistence(handlers, client => known(connections, client)),
      mq: noEmitter,
      // A client that does not read delays no other client: see session/sender.ts.
      drainTimeout: 0,
      concurrency: 0, // of listeners on a socket
    })) as AedesBroker;
    return new AedesEngine(aedes, connections, handlers, options);
  }

  private constructor(
    aedes: AedesBroker,
    connections: WeakMap<object, C>,
    handlers: ProtocolHandlers<C>,
    options: EngineOptions,
  ) {
    this.#aedes = aedes;
    this.#connections = connections;
    this.#handlers = handlers;
    this.#options = options;
    disableTopicLevelLimit(aedes);
    disableAedesDistribution(aedes);
    skipClosedClients(aedes);
    this.#answerHooks();
    this.#listen();
  }

  open(stream: Duplex, connect: (client: EngineClient) => C): void {
    const { limits, tracesPackets } = this.#options;
    const handlers = this.#handlers;
    const client = this.#aedes.handle(stream) as AedesClient;
    refuseInvalidStrings(client);
    refuseLargePackets(client, limits["packet-bytes"]);
    limitConnectTime(client, limits);
    // A destroyed stream may still be parsed; nothing would forget its bytes afterwards.
    watchPartialPackets(client, (packet, bytes) =>
      handlers.onPartialPacket(client, packet, stream.destroyed ? 0 : bytes),
    );
    flushBeforeClose(client, stream, done => handlers.onDurable(done));
    const connection = connect(new AedesEngineClient(client));
    this.#connections.set(client, connection);
    refuseInvalidPackets(client, (acknowledgment, packetId) =>
      handlers.checkAcknowledgment(connection, acknowledgment, packetId),
    );
    if (tracesPackets)
      watchPackets(client, (direction, packet) => handlers.onPacket(connection, direction, packet));
    stream.once("close", () => {
      // The parser and a WebSocket beneath it hold bytes of their own.
      for (const keeper of [client, stream]) handlers.onPartialPacket(keeper, null, 0);
      // aedes reports the end of registered clients alone.
      if (this.#aedes.clients[client.id] !== client) this.#reportClose(client);
    });
  }

  close(): Promise<void> {
    return new Promise(resolve => this.#aedes.close(resolve));
  }

  #of(client: object): C {
    return known(this.#connections, client);
  }

  #reportClose(client: AedesClient): void {
    if (this.#reportedClosed.has(client)) return;
    this.#reportedClosed.add(client);
    this.#handlers.onClose(this.#of(client));
  }

  /** Answers the questions of aedes before it acts. */
  #answerHooks(): void {
    const aedes = this.#aedes;
    const handlers = this.#handlers;
    aedes.preConnect = (client, packet, callback) => {
      deferPipelined(client as AedesClient);
      const { clientId, clean, keepalive, protocolVersion, will } = packet;
      const error = handlers.checkConnect(this.#of(client), {
        clientId,
        isClean: clean ?? true,
        keepAlive: keepalive ?? 0,
        protocolVersion: protocolVersion ?? 4,
        will: (will as ApplicationMessage | undefined) ?? null,
      });
      callback(error, error === null);
    };
    aedes.authenticate = (client, username, password, done) => {
      void handlers.onConnect(this.#of(client), username, password).then(returnCode => {
        if (returnCode === 0) done(null, true);
        else done(Object.assign(new Error("refused"), { returnCode }), null);
      });
    };
    aedes.authorizeSubscribe = (client, subscription, callback) => {
      if (isSessionMarker(subscription)) return callback(null, null);
      const { topic, qos } = subscription;
      handlers.onSubscribe(this.#of(client), { topic, qos }, (error, isGranted) =>
        callback(error, isGranted ? subscription : null),
      );
    };
    // aedes calls this for each PUBLISH before it acknowledges it, and for the will of a client that it closes.
    aedes.authorizePublish = (client, packet, callback) => {
      const aedesClient = client as AedesClient;
      const connection = this.#of(aedesClient);
      if (packet === aedesClient.will) handlers.onWillDue(connection, packet, callback);
      else handlers.onPublish(connection, packet, callback);
    };
  }

  /** Reports the actions of aedes. */
  #listen(): void {
    const aedes = this.#aedes;
    const handlers = this.#handlers;
    aedes.on("connackSent", ({ returnCode = 0, sessionPresent }, client) => {
      handlers.onConnack(this.#of(client), returnCode, sessionPresent);
      if (returnCode === 0) limitIdleTime(client as AedesClient, this.#options.limits);
    });
    aedes.on("connectionError", (client, error) => handlers.onError(this.#of(client), error, false));
    aedes.on("clientError", (client, error) => handlers.onError(this.#of(client), error, true));
    aedes.on("keepaliveTimeout", client => handlers.onKeepAliveTimeout(this.#of(client)));
    aedes.on("clientDisconnect", client => this.#reportClose(client as AedesClient));
    aedes.on("subscribe", (subscriptions, client) => {
      const granted = subscriptions.filter(({ qos }) => qos <= 2); // 0x80 is a refused one
      handlers.onSubscribed(this.#of(client), granted);
    });
    aedes.on("unsubscribe", (topicFilters, client) => {
      // Of a stored session aedes has asked its persistence; of a clean one that ends it reports every filter.
      if (client.clean && !client.closed) handlers.onUnsubscribe(this.#of(client), topicFilters);
    });
    aedes.on("error", error => handlers.onFailure(error));
  }
}

function known<C>(connections: WeakMap<object, C>, client: object): C {
  const connection = connections.get(client);
  if (connection === undefined) throw new Error("aedes has a client of its own");
  return connection;
}

class AedesEngineClient implements EngineClient {
  readonly #client: AedesClient;

  constructor(client: AedesClient) {
    this.#client = client;
  }

  get id(): string {
    return this.#client.id;
  }

  get isClosed(): boolean {
    return this.#client.closed;
  }

  get hasDisconnected(): boolean {
    return hasDisconnected(this.#client);
  }

  takeWill(): ApplicationMessage | null {
    const { will, closed } = this.#client;
    if (closed) return null;
    this.#client.will = null;
    return will;
  }

  close(): void {
    this.#client.close();
  }
}
