import { isSysTopic } from "../protocol/topics.js";
import type { ClientConnection } from "./client-connection.js";
import { limitOf, REFUSED } from "./disconnect-cause.js";
import { LimitError, type Limits, topicPastLimit } from "./limits/limits.js";
import type { StoreQuota } from "./limits/store-quota.js";
import { type ApplicationMessage, messageOf } from "./message.js";
import type { EngineCallback, PublishPacket } from "./protocol-engine.js";
import type { Router } from "./router.js";
import type { Session } from "./session/session.js";
import type { DoneCallback } from "../util/done-callback.js";
import type { Store } from "./store/store.js";

const DISK_FULL = { name: "disk", max: null } as const;

/** Handles PUBLISH and PUBREL, and publishes the wills of connections that have ended. */
export class PublishHandler {
  constructor(
    private readonly router: Router,
    private readonly store: Store,
    private readonly quota: StoreQuota,
    private readonly limits: Limits,
  ) {}

  publish(connection: ClientConnection, packet: PublishPacket, done: EngineCallback): void {
    const isLate = connection.hasDisconnected;
    // A message without RETAIN emits no event that must not be lost: a slow log does not delay it.
    connection.handleInTurn(packet.retain, () => {
      if (isLate) return done(new Error("a PUBLISH after DISCONNECT [MQTT-3.14.4-2]"));
      const error = this.#check(connection, packet.topic);
      if (error) return done(error);
      this.#accept(packet, connection.session, error => done(error && acceptError(error)));
    });
  }

  publishWill(connection: ClientConnection, will: ApplicationMessage, done: EngineCallback): void {
    connection.onWillDue();
    connection.handleInTurn(true, () => {
      if (!connection.mayPublish(will.topic)) {
        connection.onWillRefused();
        return done(notAuthorized());
      }
      this.router.accept(messageOf(will), { willOf: connection.clientId, will }, error => {
        if (!error) connection.onWillPublished();
        done(error && acceptError(error));
      });
    });
  }

  #check(connection: ClientConnection, topic: string): Error | null {
    if (isSysTopic(topic)) return new Error("topics under $SYS are the broker's own");
    if (!connection.mayPublish(topic)) {
      connection.emitNotAuthorized("publish", topic);
      connection.setEndCause("not-authorized");
      return notAuthorized();
    }
    const limit = topicPastLimit(topic, this.limits);
    return limit && new LimitError(limit);
  }

  /** Takes a QoS 2 message once [MQTT-4.3.3-2]. */
  #accept(packet: PublishPacket, session: Session | null, done: DoneCallback): void {
    const packetId = packet.qos === 2 ? packet.messageId : undefined;
    if (!session || packetId === undefined) return this.router.accept(messageOf(packet), null, done);
    const isKnown = () => session.inboundQos2.has(packetId);
    if (!isKnown()) {
      const limit = this.quota.inboundQos2(session);
      if (limit) return done(new LimitError(limit));
      return this.router.accept(messageOf(packet), { session, packetId }, done);
    }
    // The first one may not be durable yet, and may be refused.
    this.store.onDurable(error => (error || isKnown() ? done(error) : this.#accept(packet, session, done)));
  }
}

const notAuthorized = () => new Error(`not authorized ${REFUSED}`);

const acceptError = (error: Error) => (limitOf(error) ? error : new LimitError(DISK_FULL, { cause: error }));
