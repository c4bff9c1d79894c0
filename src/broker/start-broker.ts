import { pid } from "node:process";
import { setImmediate, setTimeout } from "node:timers/promises";
import type { BrokerEvent, Sink } from "../events/events.js";
import { AedesEngine } from "./aedes/engine.js";
import { ALLOW_ALL, type Authenticator } from "./auth/authenticator.js";
import type { ClientConnection } from "./client-connection.js";
import { ConnectionRegistry } from "./connection-registry.js";
import { EventThrottle } from "./event-throttle.js";
import { ConnectionLimiter } from "./limits/connection-limiter.js";
import { CLOSE_GRACE_MS, type Limits, limitsFrom } from "./limits/limits.js";
import { QueueLimiter } from "./limits/queue-limiter.js";
import { SlowConsumers } from "./limits/slow-consumers.js";
import { StoreQuota } from "./limits/store-quota.js";
import { listen, type Listening, type ListenSettings } from "./net/listeners.js";
import { isLoopback } from "./net/loopback.js";
import type { ProtocolEngine } from "./protocol-engine.js";
import { brokerFailure, protocolHandlers } from "./protocol-handlers.js";
import { Router } from "./router.js";
import type { DataSettings } from "./store/journaled/recovery.js";
import { MemoryStore } from "./store/memory-store.js";
import type { Store } from "./store/store.js";

export interface BrokerSettings extends ListenSettings {
  /** Each is at least 1, in the unit of its name. docs/reference/limits.md lists the defaults. */
  limits?: Partial<Limits>;
  /** The file of users and their permissions; default null: anyone may do everything. */
  users?: string | null;
  /** Emit an event `packet` for every packet. Default false. */
  debug?: boolean;
  /** The folder that stores everything on disk; default null: in memory, until the broker stops. */
  data?: DataSettings | null;
}

export interface RunningBroker {
  /** The first of the `urls` of the event `listening`. */
  url: string;
  port: number;
  /** Publishes the wills of connected clients and closes every connection. Resolves when all is closed. */
  close(): Promise<void>;
}

/**
 * Starts a broker that reports its events to the sink.
 * @throws UserError when it cannot listen there, or cannot use the certificate, the file of users or the data folder
 */
export async function startBroker(settings: BrokerSettings, sink: Sink<BrokerEvent>): Promise<RunningBroker> {
  const throttle = new EventThrottle(sink);
  const authenticator = settings.users
    ? await openAuthenticator(settings.users, throttle, () => connections)
    : ALLOW_ALL;
  const { store, found } = await openBrokerStore(settings, throttle).catch((error: unknown) => {
    authenticator.close();
    throw error;
  });
  const limits = limitsFrom(settings.limits ?? {});
  const queueLimiter = new QueueLimiter(store, limits, throttle);
  const context = { store, queueLimiter, slowConsumers: new SlowConsumers(limits), throttle };
  const quota = new StoreQuota(store, limits);
  const router = new Router(store, quota, queueLimiter, throttle);
  const connections = new ConnectionRegistry(context, router, limits, authenticator);
  const handlers = protocolHandlers(connections, context, router, quota, limits, authenticator);
  const engine = await AedesEngine.start(handlers, { limits, tracesPackets: settings.debug ?? false });
  const connectionLimiter = new ConnectionLimiter(limits, throttle);
  const listening = await listen(settings, limits, connectionLimiter, {
    onOpen: (stream, socket) => engine.open(stream, client => connections.add(client, stream, socket)),
    onPartialBytes: (stream, message, bytes) =>
      connections.onPartialPacket(stream, message, stream.destroyed ? 0 : bytes),
    onRefused: (socket, reason) => connections.refused(socket, reason),
    onHandshakeTimeout: socket => connections.onHandshakeTimeout(socket),
    onError: error => throttle.emit(brokerFailure(error)),
  }).catch(async (error: unknown) => {
    authenticator.close();
    await engine.close();
    await store.close();
    throw error;
  });

  const { urls, port } = listening;
  const [url] = urls;
  throttle.emit({
    event: "listening",
    url,
    urls,
    pid,
    data: store.folder,
    sync: settings.data?.sync ?? null,
  });
  for (const event of found) throttle.emit(event);
  authenticator.report();
  connections.dropForbidden();
  const warning = isLoopback(listening.address) ? null : networkWarning(settings);
  if (warning) throttle.emit(warning);
  await connections.publishRecoveredWills();
  let closing: Promise<void> | undefined;
  const close = async () => {
    authenticator.close();
    connectionLimiter.close();
    await stop(listening, engine, connections);
    await store.close();
  };
  return { url, port, close: () => (closing ??= close().finally(() => throttle.end())) };
}

const OPEN_TO_NETWORK: BrokerEvent = {
  event: "warning",
  code: "open-to-network",
  message: "anyone on this computer's network can read, publish and take over sessions here.",
  hint: "Omit --host to serve this computer alone, or accept known users only: --users FILE.",
};

const PASSWORDS_IN_CLEAR: BrokerEvent = {
  event: "warning",
  code: "passwords-in-clear",
  message: "passwords cross the network without TLS, so others can read them.",
  hint: "Listen with TLS only: --tls-cert FILE --tls-key FILE --tls-only.",
};

function networkWarning({ users, tlsOnly }: BrokerSettings): BrokerEvent | null {
  if (!users) return OPEN_TO_NETWORK;
  return tlsOnly ? null : PASSWORDS_IN_CLEAR;
}

async function openBrokerStore(
  { data }: BrokerSettings,
  throttle: EventThrottle,
): Promise<{ store: Store; found: BrokerEvent[] }> {
  if (!data) return { store: new MemoryStore(), found: [] };
  const { openStore } = await import("./store/open-store.js");
  return openStore(data, throttle);
}

async function openAuthenticator(
  file: string,
  throttle: EventThrottle,
  connections: () => ConnectionRegistry,
): Promise<Authenticator> {
  const { openUsers } = await import("./auth/users.js");
  return openUsers(file, {
    onRead: (file, users, anonymous) => throttle.emit({ event: "users-read", file, users, anonymous }),
    onChanged: () => connections().onRightsChanged(),
    onInvalid: ({ code, message }) =>
      throttle.emit({
        event: "warning",
        code,
        message,
        hint: "The earlier version of the file stays in force.",
      }),
  });
}

async function stop(
  listening: Listening,
  engine: ProtocolEngine<ClientConnection>,
  connections: ConnectionRegistry,
): Promise<void> {
  listening.close();
  await setImmediate(); // aedes reports a CONNACK one turn after it has sent it
  const all = connections.all();
  for (const connection of all) connection.setEndCause("broker-stopped");
  await Promise.race([drainConnections(connections), setTimeout(CLOSE_GRACE_MS, undefined, { ref: false })]);
  await engine.close();
  for (const connection of all) connection.destroy();
  await listening.end();
}

/** Publishes the wills first, while the clients that watch them are still connected. */
async function drainConnections(connections: ConnectionRegistry): Promise<void> {
  await connections.publishWills();
  await Promise.all(connections.all().map(connection => connection.finish()));
}
