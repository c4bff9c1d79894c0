import { Aedes } from "aedes";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { pid } from "node:process";
import { setImmediate, setTimeout } from "node:timers/promises";
import type { BrokerEvent, Sink } from "../events.js";
import { type AedesBroker, noEmitter } from "./aedes-parts.js";
import { Connections } from "./connections.js";
import { Headcount } from "./headcount.js";
import { FAREWELL, type Limits, limitsFrom } from "./limits.js";
import { listenFailure } from "./listen-failure.js";
import { isLoopback } from "./loopback.js";
import { MemoryStore } from "./memory-store.js";
import { Pace } from "./pace.js";
import type { DataSettings } from "./durable/durable-store.js";
import { openStore } from "./open-store.js";
import { Persistence } from "./persistence.js";

export interface BrokerSettings {
  host: string;
  /** 0 takes a free one. */
  port: number;
  /** How much there may be of what: each at least 1, in the unit of its name; for the defaults see README. */
  limits?: Partial<Limits>;
  /** Tell of every packet, as events `packet`. Default false. */
  debug?: boolean;
  /** Where everything is kept, on disk; default null: in memory, until it stops. */
  data?: DataSettings | null;
}

export interface RunningBroker {
  url: string;
  port: number;
  /** Sends the wills of connected clients to those who watch them, closes every connection, and then resolves. */
  close(): Promise<void>;
}

/**
 * Starts a broker, and tells the sink what it does and why.
 * @throws UserError when it can't listen there, or can't keep its data where it should
 */
export async function startBroker(settings: BrokerSettings, sink: Sink<BrokerEvent>): Promise<RunningBroker> {
  const pace = new Pace(sink);
  const inMemory = () => ({ store: new MemoryStore(), found: [] });
  const { store, found } = settings.data ? await openStore(settings.data, pace) : inMemory();
  const limits = limitsFrom(settings.limits ?? {});
  const persistence = new Persistence(store, {
    sessionOf: client => connections.of(client)?.session ?? undefined,
    holdsId: clientId => connections.holdsId(clientId),
    sessionEnded: ({ clientId, queue }) =>
      pace.emit({ event: "session-ended", clientId, queued: queue.length }),
    unsubscribe: (client, topicFilters) => connections.of(client)?.unsubscribe(topicFilters),
    acknowledged: (client, { message, packetId }) =>
      connections.of(client)?.acknowledged(message.topic, packetId),
  });
  // A client that does not read holds nobody else up, and is not thrown out for it: see delivery.ts.
  const aedes = (await Aedes.createBroker({
    persistence,
    mq: noEmitter,
    drainTimeout: 0,
    concurrency: 0, // of listeners on a socket, here
  })) as AedesBroker;
  const connections = new Connections(aedes, store, limits, pace, settings.debug ?? false);
  // Nagle's algorithm would hold acknowledgments back for 40 ms.
  const server = createServer({ noDelay: true }, socket => connections.add(socket));
  const headcount = new Headcount(limits, pace);
  headcount.guard(server, true);
  const { address, port } = await listen(server, settings).catch(async error => {
    await closeAedes(aedes);
    await store.close();
    throw await listenFailure(error, settings.host, settings.port);
  });
  aedes.on("error", error => pace.emit(failure(error)));
  server.on("error", error => pace.emit(failure(error)));

  const url = `mqtt://${settings.host.includes(":") ? `[${settings.host}]` : settings.host}:${port}`;
  pace.emit({ event: "listening", url, pid, data: store.folder, sync: settings.data?.sync ?? null });
  for (const event of found) pace.emit(event);
  if (!isLoopback(address)) pace.emit(OPEN_TO_NETWORK);
  await connections.publishWillsOfTheDead();
  let closing: Promise<void> | undefined;
  const close = async () => {
    headcount.close();
    await stop(server, aedes, connections);
    await store.close();
  };
  return { url, port, close: () => (closing ??= close().finally(() => pace.end())) };
}

async function listen(server: Server, { host, port }: BrokerSettings): Promise<AddressInfo> {
  server.listen(port, host);
  await once(server, "listening");
  return server.address() as AddressInfo;
}

const OPEN_TO_NETWORK: BrokerEvent = {
  event: "warning",
  code: "open-to-network",
  message: "anyone on this computer's network can read, publish and take over sessions here.",
  hint: "Leave --host away to serve this computer alone.",
};

const failure = (error: Error): BrokerEvent => ({
  event: "error",
  code: "broker-failure",
  message: `the broker failed at something: ${error.message}.`,
  hint: "Stop it and start it again; without --data, what it had stored is gone then.",
});

async function stop(server: Server, aedes: AedesBroker, connections: Connections): Promise<void> {
  const closed = once(server, "close");
  server.close();
  await setImmediate(); // aedes tells of a CONNACK one turn after it went out
  const all = connections.all();
  for (const connection of all) connection.ending("broker-stopped");
  await Promise.race([farewell(connections), setTimeout(FAREWELL, undefined, { ref: false })]);
  await closeAedes(aedes);
  for (const connection of all) connection.destroy();
  await closed;
}

/** The wills first, while those who watch them are still connected. */
async function farewell(connections: Connections): Promise<void> {
  await connections.publishWills();
  await Promise.all(connections.all().map(connection => connection.finish()));
}

const closeAedes = (aedes: AedesBroker) => new Promise<void>(resolve => aedes.close(resolve));
