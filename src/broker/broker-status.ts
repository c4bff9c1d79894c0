import type { BrokerStatus } from "../events/events.js";
import { BROKER_STATUS_TOPIC } from "../protocol/topics.js";
import type { ClientConnection } from "./client-connection.js";
import type { ApplicationMessage } from "./message.js";
import type { Store } from "./store/store.js";

/** Of each kind, so many are listed: a message that nobody could read would help nobody. */
const MOST_LISTED = 1000;

/** What the broker holds at this moment. */
export function brokerStatusOf(store: Store, connections: ClientConnection[]): BrokerStatus {
  const clients = connections.flatMap(({ session, connect, address }) =>
    session && connect && !session.subscriptions.has(BROKER_STATUS_TOPIC) // not who asks
      ? [
          {
            clientId: session.clientId,
            address,
            cleanSession: connect.clean ?? true,
            keepAlive: connect.keepalive ?? 0,
          },
        ]
      : [],
  );
  const sessions = Array.from(store.storedSessions(), ({ clientId, sender, subscriptions, queue }) => ({
    clientId,
    connected: sender !== null,
    subscriptions: subscriptions.size,
    queued: queue.length,
    inFlight: sender ? queue.inFlight : 0,
  }));
  const wills = Array.from(store.wills(), ([clientId, { topic, qos, retain }]) => ({
    clientId,
    topic,
    qos,
    retain,
  }));
  const retained = Array.from(store.retained(), ({ topic, qos, payload }: ApplicationMessage) => ({
    topic,
    qos,
    bytes: Buffer.byteLength(payload),
  }));
  return {
    clients: clients.slice(0, MOST_LISTED),
    sessions: sessions.slice(0, MOST_LISTED),
    wills: wills.slice(0, MOST_LISTED),
    retained: retained.slice(0, MOST_LISTED),
    totals: {
      clients: clients.length,
      sessions: sessions.length,
      wills: wills.length,
      retained: retained.length,
    },
  };
}
