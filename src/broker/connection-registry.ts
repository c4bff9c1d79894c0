import type { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { ReachedLimit } from "../events/events.js";
import { ANONYMOUS, type Authenticator } from "./auth/authenticator.js";
import { ClientConnection } from "./client-connection.js";
import { REFUSED, willClause } from "./disconnect-cause.js";
import { type Limits, pastLimit } from "./limits/limits.js";
import { PartialPackets } from "./limits/partial-packets.js";
import { type ApplicationMessage, messageOf } from "./message.js";
import type { EngineClient } from "./protocol-engine.js";
import type { Router } from "./router.js";
import type { SessionContext } from "./session/active-session.js";

/** The open connections, and the tasks that concern several: client identifiers, wills, changed permissions. */
export class ConnectionRegistry {
  readonly #context: SessionContext;
  readonly #router: Router;
  readonly #limits: Limits;
  readonly #authenticator: Authenticator;
  readonly #partialPackets: PartialPackets;
  /** Whether anonymous clients were accepted at the last check. */
  #acceptsAnonymous: boolean;
  readonly #open = new Set<ClientConnection>();
  /** The newest connection of each client identifier. */
  readonly #byId = new Map<string, ClientConnection>();

  constructor(context: SessionContext, router: Router, limits: Limits, authenticator: Authenticator) {
    this.#context = context;
    this.#router = router;
    this.#limits = limits;
    this.#authenticator = authenticator;
    this.#partialPackets = new PartialPackets(limits["unfinished-bytes"]);
    this.#acceptsAnonymous = authenticator.isValid(ANONYMOUS);
  }

  /** @param stream carries MQTT: the socket itself, TLS or WebSocket on it */
  add(client: EngineClient, stream: Duplex, socket: Socket): ClientConnection {
    const connection = new ClientConnection(client, stream, socket, this.#context);
    this.#open.add(connection);
    void connection.over.then(() => this.#forget(connection));
    return connection;
  }

  all(): ClientConnection[] {
    return [...this.#open];
  }

  byId(clientId: string): ClientConnection | undefined {
    return this.#byId.get(clientId);
  }

  /** Registers the client identifier. Resolves when an older connection with the same one is over. */
  async takeOver(connection: ClientConnection): Promise<void> {
    const previous = this.#byId.get(connection.clientId);
    this.#byId.set(connection.clientId, connection);
    await previous?.end("taken-over");
  }

  /** @param keeper holds the bytes: a connection's parser, or the WebSocket stream beneath it */
  onPartialPacket(keeper: EventEmitter, packet: object | null, bytes: number): void {
    this.#partialPackets.report(keeper, packet, bytes);
  }

  /** Reports a client that has not sent MQTT: anyone can do so as often as the network carries it. */
  refused({ remoteAddress, remotePort }: Socket, reason: string, limit: ReachedLimit | null = null): void {
    const address = `${remoteAddress}:${remotePort}`;
    const event = "client-refused";
    this.#context.throttle.emitSampled(() => ({ event, clientId: null, address, reason, limit }));
  }

  onHandshakeTimeout(socket: Socket): void {
    const limit = { name: "connect-seconds", max: this.#limits["connect-seconds"] } as const;
    this.refused(socket, pastLimit(limit), limit);
  }

  /** Publishes all the wills before any connection ends: a client with a will of its own still receives the others. */
  async publishWills(): Promise<void> {
    await Promise.all(
      this.all().map(connection =>
        connection.publishWill((will, done) =>
          this.#router.accept(messageOf(will), { willOf: connection.clientId, will }, done),
        ),
      ),
    );
  }

  /** Publishes the wills of the clients that were connected when an earlier broker crashed [MQTT-3.1.2-8]. */
  async publishRecoveredWills(): Promise<void> {
    const { store } = this.#context;
    await Promise.all(Array.from(store.wills(), entry => this.#publishRecoveredWill(...entry)));
  }

  async #publishRecoveredWill(
    clientId: string,
    will: ApplicationMessage,
    user: string | null,
  ): Promise<void> {
    const { store, throttle } = this.#context;
    const { topic } = will;
    const cause = "broker-stopped";
    if (!this.#authenticator.permissionsOf(user, clientId).mayPublish(topic)) {
      store.clearWill(clientId);
      const because = { cause: "not-authorized", clause: REFUSED } as const;
      throttle.emit({ event: "will-discarded", clientId, topic, ...because });
      return;
    }
    await new Promise<void>(resolve =>
      this.#router.accept(will, { willOf: clientId, will }, () => {
        throttle.emit({ event: "will-published", clientId, topic, cause, clause: willClause[cause] });
        resolve();
      }),
    );
  }

  /** Applies a changed file of users. */
  onRightsChanged(): void {
    for (const connection of this.all()) {
      const { login, user, clientId } = connection;
      if (!login) continue;
      connection.authorize(login, this.#authenticator.permissionsOf(user, clientId));
      if (this.#authenticator.isValid(login)) connection.dropForbidden();
      else void connection.end("not-authorized");
    }
    this.dropForbidden();
  }

  /** Removes the subscriptions of stored sessions that their owners have no right to any longer. */
  dropForbidden(): void {
    // A session from before there were users becomes the first resuming user's, and is checked then.
    const checksAnonymous = this.#acceptsAnonymous || this.#authenticator.isValid(ANONYMOUS);
    this.#acceptsAnonymous = this.#authenticator.isValid(ANONYMOUS);
    const { store, throttle } = this.#context;
    for (const session of store.storedSessions()) {
      const { user, clientId } = session;
      if (user === null && !checksAnonymous) continue;
      const permissions = this.#authenticator.permissionsOf(user, clientId);
      for (const topicFilter of session.subscriptions.keys()) {
        if (permissions.maySubscribe(topicFilter)) continue;
        store.unsubscribe(session, topicFilter);
        const denied = { clientId, user, action: "subscribe", topic: topicFilter } as const;
        throttle.emitIfIdle(() => ({ event: "not-authorized", ...denied }));
        throttle.emitIfIdle(() => ({ event: "unsubscribed", clientId, topicFilter, qos: null }));
      }
    }
  }

  #forget(connection: ClientConnection): void {
    this.#open.delete(connection);
    if (this.#byId.get(connection.clientId) === connection) this.#byId.delete(connection.clientId);
  }
}
