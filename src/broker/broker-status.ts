import type { BrokerStatus } from "../events/events.js";
import { BROKER_STATUS_TOPIC } from "../protocol/topics.js";
import type { ClientConnection } from "./client-connection.js";
import type { ApplicationMessage } from "./message.js";
import type { Store } from "./store/store.js";

/** Entries listed of each kind: a longer message would be unreadable. */
const MAX_LISTED = 1000;

/** Returns what the broker stores at this moment. */
export function brokerStatusOf(store: Store, connections: ClientConnection[]): BrokerStatus {
  const clients = connections.flatMap(({ session, connectPacket, address }) =>
    session && connectPacket && !session.subscriptions.has(BROKER_STATUS_TOPIC) // not a client that asks for it
      ? [
          {
            clientId: session.clientId,
            address,
            cleanSession: connectPacket.isClean,
            keepAlive: connectPacket.keepAlive,
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
    clients: clients.slice(0, MAX_LISTED),
    sessions: sessions.slice(0, MAX_LISTED),
    wills: wills.slice(0, MAX_LISTED),
    retained: retained.slice(0, MAX_LISTED),
    totals: {
      clients: clients.length,
      sessions: sessions.length,
      wills: wills.length,
      retained: retained.length,
    },
  };
}
