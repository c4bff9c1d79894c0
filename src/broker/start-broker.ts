import { Aedes } from "aedes";
import type { Socket } from "node:net";
import { pid } from "node:process";
import type { Duplex } from "node:stream";
import { setImmediate, setTimeout } from "node:timers/promises";
import type { BrokerEvent, Sink } from "../events/events.js";
import { type AedesBroker, noEmitter } from "./aedes/internals.js";
import { type Authenticator, ALLOW_ALL } from "./auth/authenticator.js";
import { ConnectionRegistry } from "./connection-registry.js";
import { ConnectionLimiter } from "./limits/connection-limiter.js";
import { CLOSE_GRACE_MS, type Limits, limitsFrom } from "./limits/limits.js";
import { listen, type Listening, type ListenSettings } from "./net/listeners.js";
import { isLoopback } from "./net/loopback.js";
import { MemoryStore } from "./store/memory-store.js";
import { EventThrottle } from "./event-throttle.js";
import type { DataSettings } from "./store/journaled/journaled-store.js";
import { openStore } from "./store/open-store.js";
import { Persistence } from "./aedes/persistence.js";

export interface BrokerSettings extends ListenSettings {
  /** How much there may be of what: each at least 1, in the unit of its name; for the defaults see README. */
  limits?: Partial<Limits>;
  /** The file of users, with what each may publish and subscribe to; default null: anyone may do everything. */
  users?: string | null;
  /** Tell of every packet, as events `packet`. Default false. */
  debug?: boolean;
  /** Where everything is kept, on disk; default null: in memory, until it stops. */
  data?: DataSettings | null;
}

export interface RunningBroker {
  /** Of all that it listens on, the first: see `urls` of the event `listening`. */
  url: string;
  port: number;
  /** Sends the wills of connected clients to those who watch them, closes every connection, and then resolves. */
  close(): Promise<void>;
}

/**
 * Starts a broker, and tells the sink what it does and why.
 * @throws UserError when it can't listen there, has no use for the certificate or the file of users, or can't keep its
 * data where it should
 */
export async function startBroker(settings: BrokerSettings, sink: Sink<BrokerEvent>): Promise<RunningBroker> {
  const pace = new EventThrottle(sink);
  const access = settings.users ? await accessFrom(settings.users, pace, () => connections) : ALLOW_ALL;
  const inMemory = () => ({ store: new MemoryStore(), found: [] });
  const { store, found } = settings.data
    ? await openStore(settings.data, pace).catch((error: unknown) => {
        access.close();
        throw error;
      })
    : inMemory();
  const limits = limitsFrom(settings.limits ?? {});
  const persistence = new Persistence(store, {
    sessionOf: client => connections.of(client)?.session ?? undefined,
    userOf: client => connections.of(client)?.user ?? null,
    holdsId: clientId => connections.holdsId(clientId),
    sessionEnded: ({ clientId, queue }) =>
      pace.emit({ event: "session-ended", clientId, queued: queue.length }),
    unsubscribe: (client, topicFilters) => connections.of(client)?.unsubscribe(topicFilters),
    acknowledged: (client, { message, packetId }) =>
      connections.of(client)?.acknowledged(message.topic, packetId),
  });
  // A client that does not read holds nobody else up, and is not thrown out for it: see sender.ts.
  const aedes = (await Aedes.createBroker({
    persistence,
    mq: noEmitter,
    drainTimeout: 0,
    concurrency: 0, // of listeners on a socket, here
  })) as AedesBroker;
  const connections = new ConnectionRegistry(aedes, store, limits, access, pace, settings.debug ?? false);
  const headcount = new ConnectionLimiter(limits, pace);
  const door = {
    open: (stream: Duplex, socket: Socket) => connections.add(stream, socket),
    onPartialBytes: (stream: Duplex, message: object, bytes: number) =>
      connections.keeps(stream, message, bytes),
    refused: (socket: Socket, reason: string) => connections.refused(socket, reason),
    onHandshakeTimeout: (socket: Socket) => connections.late(socket),
    failed: (error: Error) => pace.emit(failure(error)),
  };
  const listening = await listen(settings, limits, headcount, door).catch(async error => {
    access.close();
    await closeAedes(aedes);
    await store.close();
    throw error;
  });
  aedes.on("error", error => pace.emit(failure(error)));

  const { urls, port } = listening;
  const [url] = urls;
  pace.emit({ event: "listening", url, urls, pid, data: store.folder, sync: settings.data?.sync ?? null });
  for (const event of found) pace.emit(event);
  access.tell();
  connections.dropForbidden();
  if (!isLoopback(listening.address)) {
    if (!settings.users) pace.emit(OPEN_TO_NETWORK);
    else if (!settings.tlsOnly) pace.emit(PASSWORDS_IN_CLEAR);
  }
  await connections.publishWillsOfTheDead();
  let closing: Promise<void> | undefined;
  const close = async () => {
    access.close();
    headcount.close();
    await stop(listening, aedes, connections);
    await store.close();
  };
  return { url, port, close: () => (closing ??= close().finally(() => pace.end())) };
}

const OPEN_TO_NETWORK: BrokerEvent = {
  event: "warning",
  code: "open-to-network",
  message: "anyone on this computer's network can read, publish and take over sessions here.",
  hint: "Leave --host away to serve this computer alone, or let in those whom you know: --users FILE.",
};

const PASSWORDS_IN_CLEAR: BrokerEvent = {
  event: "warning",
  code: "passwords-in-clear",
  message: "passwords come over the network without TLS, where others can read them.",
  hint: "Listen with TLS alone: --tls-cert FILE --tls-key FILE --tls-only.",
};

async function accessFrom(
  file: string,
  pace: EventThrottle,
  connections: () => ConnectionRegistry,
): Promise<Authenticator> {
  const { openUsers } = await import("./auth/users.js");
  return openUsers(file, {
    read: (file, users, anonymous) => pace.emit({ event: "users-read", file, users, anonymous }),
    changed: () => connections().rightsChanged(),
    bad: ({ code, message }) =>
      pace.emit({ event: "warning", code, message, hint: "What it was before holds." }),
  });
}

const failure = (error: Error): BrokerEvent => ({
  event: "error",
  code: "broker-failure",
  message: `the broker failed at something: ${error.message}.`,
  hint: "Stop it and start it again; without --data, what it had stored is gone then.",
});

async function stop(
  listening: Listening,
  aedes: AedesBroker,
  connections: ConnectionRegistry,
): Promise<void> {
  listening.close();
  await setImmediate(); // aedes tells of a CONNACK one turn after it went out
  const all = connections.all();
  for (const connection of all) connection.ending("broker-stopped");
  await Promise.race([farewell(connections), setTimeout(CLOSE_GRACE_MS, undefined, { ref: false })]);
  await closeAedes(aedes);
  for (const connection of all) connection.destroy();
  await listening.end();
}

/** The wills first, while those who watch them are still connected. */
async function farewell(connections: ConnectionRegistry): Promise<void> {
  await connections.publishWills();
  await Promise.all(connections.all().map(connection => connection.finish()));
}

const closeAedes = (aedes: AedesBroker) => new Promise<void>(resolve => aedes.close(resolve));
