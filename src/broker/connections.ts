import type { Client } from "aedes";
import type { Socket } from "node:net";
import type { AedesBroker, AedesClient } from "./aedes-parts.js";
import { causeOfError } from "./causes.js";
import { Connection } from "./connection.js";
import { isNoSubscription, mendStore } from "./mends.js";
import type { Pace } from "./pace.js";
import { notMqttReason, refusalReason, willTopicFault } from "./refusals.js";
import { Sessions } from "./sessions.js";

/** CONNACK return code 2: identifier rejected. */
const IDENTIFIER_REJECTED = 2;

/** Every connection of the broker; turns what aedes' hooks and events say into our events. */
export class Connections {
  readonly #broker: AedesBroker;
  readonly #pace: Pace;
  readonly #sessions = new Sessions();
  readonly #open = new Set<Connection>();
  /** Weak, since the news of a published will may come long after its connection is gone. */
  readonly #byClient = new WeakMap<Client, Connection>();
  /** The newest connection of each client identifier. */
  readonly #byId = new Map<string, Connection>();

  constructor(broker: AedesBroker, pace: Pace) {
    this.#broker = broker;
    this.#pace = pace;
    this.#hook();
    this.#listen();
    mendStore(broker, this.#sessions, {
      queued: (clientId, topic, queued) => {
        // What a connected client gets at once was not queued in any sense that matters to a reader.
        if (this.#byId.get(clientId)?.ready) return;
        pace.emit({ event: "message-queued", clientId, topic, packetId: null, queued });
      },
      sessionEnded: (clientId, queued) => pace.emit({ event: "session-ended", clientId, queued }),
    });
  }

  add(socket: Socket): void {
    const client = this.#broker.handle(socket) as AedesClient;
    const connection = new Connection(client, socket, event => this.#pace.emit(event));
    this.#open.add(connection);
    this.#byClient.set(client, connection);
    socket.once("close", () => connection.socketClosed(this.#broker.clients[client.id] === client));
    void connection.gone.then(() => this.#forget(connection));
  }

  all(): Connection[] {
    return [...this.#open];
  }

  #forget(connection: Connection): void {
    this.#open.delete(connection);
    if (this.#byId.get(connection.clientId) === connection) this.#byId.delete(connection.clientId);
  }

  /** aedes' hooks: what it asks before it acts. */
  #hook(): void {
    const broker = this.#broker;
    broker.preConnect = (client, packet, callback) => {
      const connection = this.#byClient.get(client);
      if (connection) connection.connect = packet;
      const fault = packet.will ? willTopicFault(packet.will.topic) : null;
      callback(fault === null ? null : new Error(fault), fault === null);
    };
    broker.authenticate = (client, _username, _password, done) => {
      const connection = this.#byClient.get(client);
      // Without this aedes gives a stored session to a name that its client never learns.
      if (connection?.connect?.clientId === "" && !client.clean)
        return done(
          Object.assign(new Error("identifier rejected"), { returnCode: IDENTIFIER_REJECTED }),
          null,
        );
      void this.#accept(client, connection, () => done(null, true));
    };
    broker.authorizeSubscribe = (_client, subscription, callback) =>
      callback(null, isNoSubscription(subscription) ? null : subscription);
    const authorizePublish = broker.authorizePublish;
    broker.authorizePublish = (client, packet, callback) => {
      const connection = client && this.#byClient.get(client);
      if (connection?.isItsWill(packet)) connection.willIsDue();
      this.#pace.whenFree(() => authorizePublish(client, packet, callback));
    };
  }

  /**
   * Waits until an older connection with the same client identifier is gone. aedes would go on at once, and the
   * older one's clean-up would then deregister the new one.
   */
  async #accept(client: Client, connection: Connection | undefined, goOn: () => void): Promise<void> {
    if (!connection) return;
    const previous = this.#byId.get(client.id);
    this.#byId.set(client.id, connection);
    if (previous) connection.predecessorsGone = previous.takenOver();
    await connection.predecessorsGone;
    connection.accept(client.clean ? null : this.#sessions.open(client.id));
    this.#pace.whenFree(goOn);
  }

  /** aedes' events: what it has done. */
  #listen(): void {
    const broker = this.#broker;
    const of = (client: Client | null) => (client ? this.#byClient.get(client) : undefined);
    broker.on("connackSent", (connack, client) => {
      const connection = of(client);
      const connect = connection?.connect;
      if (!connection || !connect) return;
      const { returnCode = 0, sessionPresent } = connack;
      if (returnCode === 0) connection.connected(connect, sessionPresent);
      else connection.refused(refusalReason(returnCode, connect));
    });
    broker.on("clientReady", client => of(client)?.drained());
    broker.on("connectionError", (client, error) => {
      if (causeOfError(error) !== "network-error") of(client)?.refused(notMqttReason(error));
    });
    broker.on("clientError", (client, error) => of(client)?.ending(causeOfError(error)));
    broker.on("keepaliveTimeout", client => of(client)?.ending("keep-alive-timeout"));
    broker.on("clientDisconnect", client => of(client)?.closed());
    broker.on("publish", (packet, client) => {
      const connection = of(client);
      if (connection?.isItsWill(packet)) connection.willPublished();
    });
    broker.on("subscribe", (subscriptions, client) => {
      for (const { topic, qos } of subscriptions)
        this.#pace.emit({ event: "subscribed", clientId: client.id, topicFilter: topic, qos });
    });
    broker.on("unsubscribe", (topicFilters, client) => {
      // aedes also says so of every clean session whose connection ends.
      if (client.closed) return;
      for (const topicFilter of topicFilters)
        this.#pace.emit({ event: "unsubscribed", clientId: client.id, topicFilter, qos: null });
    });
  }
}
