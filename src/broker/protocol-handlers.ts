import type { BrokerEvent } from "../events/events.js";
import type { Authenticator } from "./auth/authenticator.js";
import type { ClientConnection } from "./client-connection.js";
import { notMqttReason, refusalReason } from "./connack-reasons.js";
import { ConnectHandler } from "./connect-handler.js";
import type { ConnectionRegistry } from "./connection-registry.js";
import { causeOfError, limitOf } from "./disconnect-cause.js";
import { LimitError, type Limits } from "./limits/limits.js";
import type { StoreQuota } from "./limits/store-quota.js";
import type { ProtocolHandlers } from "./protocol-engine.js";
import { PublishHandler } from "./publish-handler.js";
import type { Router } from "./router.js";
import type { SessionContext } from "./session/active-session.js";
import { durable } from "./store/store.js";
import { SubscribeHandler } from "./subscribe-handler.js";

/** Returns the handlers of all packets and of the ends of connections. */
export function protocolHandlers(
  connections: ConnectionRegistry,
  { store, throttle }: SessionContext,
  router: Router,
  quota: StoreQuota,
  limits: Limits,
  authenticator: Authenticator,
): ProtocolHandlers<ClientConnection> {
  const connecting = new ConnectHandler(connections, store, quota, limits, authenticator, throttle);
  const publishing = new PublishHandler(router, store, quota, limits);
  const subscribing = new SubscribeHandler(connections, store, quota, throttle);

  /** Turns the error of a WebSocket frame that is too large for any packet into a LimitError. */
  const named = (error: NodeJS.ErrnoException) =>
    error.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH"
      ? new LimitError({ name: "packet-bytes", max: limits["packet-bytes"] }, { cause: error })
      : error;

  return {
    checkConnect: (connection, packet) => connecting.check(connection, packet),
    onConnect: (connection, ...credentials) => connecting.connect(connection, ...credentials),
    isSessionPresent: clientId => store.storedSession(clientId)?.isEstablished === true,
    endStoredSession: clientId => connecting.endStoredSession(clientId),
    storeWill: async (connection, will) => {
      store.setWill(connection.clientId, will, connection.user);
      await durable(store);
    },
    onConnack: (connection, returnCode, sessionPresent) => {
      const { connectPacket: packet, refusal } = connection;
      if (!packet) return;
      if (returnCode === 0) connection.onConnected(packet, sessionPresent);
      else connection.onRefused(limit => refusalReason(returnCode, packet, limit, refusal));
    },
    onPublish: (connection, packet, done) => publishing.publish(connection, packet, done),
    onWillDue: (connection, will, done) => publishing.publishWill(connection, will, done),
    onRelease: async ({ session }, packetId) => {
      if (session && store.releaseInboundQos2({ session, packetId })) await durable(store);
    },
    onSubscribe: (connection, subscription, done) => subscribing.subscribe(connection, subscription, done),
    onSubscribed: (connection, granted) => subscribing.onSubscribed(connection, granted),
    onUnsubscribe: ({ active }, topicFilters) => active?.unsubscribe(topicFilters),
    checkAcknowledgment: ({ active }, acknowledgment, packetId) =>
      active?.checkAcknowledgment(acknowledgment, packetId) ?? null,
    onAck: ({ active }, packetId) => active?.onAck(packetId),
    onDurable: done => store.onDurable(done),
    onPartialPacket: (keeper, packet, bytes) => connections.onPartialPacket(keeper, packet, bytes),
    onPacket: (connection, direction, packet) => connection.onPacket(direction, packet),
    onKeepAliveTimeout: connection => connection.setEndCause("keep-alive-timeout"),
    onError: (connection, error, hasConnected) => {
      const cause = named(error);
      if (hasConnected) connection.setEndCause(causeOfError(cause), limitOf(cause));
      else if (causeOfError(cause) !== "network-error")
        connection.onRefused(limit => notMqttReason(cause, limit), limitOf(cause));
    },
    onClose: connection => connection.onClose(),
    onFailure: error => throttle.emit(brokerFailure(error)),
  };
}

export const brokerFailure = (error: Error): BrokerEvent => ({
  event: "error",
  code: "broker-failure",
  message: `the broker met an unexpected error: ${error.message}.`,
  hint: "Restart it. Without --data, everything that it stored is then lost.",
});
