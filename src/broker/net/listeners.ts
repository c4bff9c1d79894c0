import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { ConnectionLimiter } from "../limits/connection-limiter.js";
import type { Limits } from "../limits/limits.js";
import { listenError } from "./listen-error.js";
import { tlsFault } from "../connack-reasons.js";
import { type Encryption, tlsOptions } from "./certificate.js";

const SECOND = 1000;

export interface ListenSettings {
  host: string;
  /** 0 takes a free one. */
  port: number;
  /** MQTT over TLS; default null. WebSockets are over TLS then too. */
  tls?: ({ port: number } & Encryption) | null;
  /** No MQTT without TLS at `port`. Default false. */
  tlsOnly?: boolean;
  /** MQTT over WebSocket; default null. `origins`: where browsers' pages may come from, beside this computer. */
  ws?: { port: number; origins: string[] } | null;
}

/** Who comes to a port. */
export interface ConnectionHandler {
  /** MQTT is spoken on that stream, which lies on that socket. */
  onOpen(stream: Duplex, socket: Socket): void;
  /** So many bytes are kept beneath that stream of a message that is not complete. */
  onPartialBytes(stream: Duplex, message: object, bytes: number): void;
  /** It is not spoken there, or not with that one. */
  onRefused(socket: Socket, reason: string): void;
  /** TLS or WebSocket was not agreed on in time. */
  onHandshakeTimeout(socket: Socket): void;
  onError(error: Error): void;
}

/** One kind of port. */
interface Listener {
  option: string;
  port: number;
  scheme: string;
  path: string;
  server: Server;
}

export interface Listening {
  /** Where clients find it; the first is that of `port`, or where there is none, that of TLS. */
  urls: [string, ...string[]];
  /** Of the first. */
  port: number;
  /** The IP address. */
  address: string;
  /** Nobody comes any more. */
  close(): void;
  /** Who is still there is cut off. Kept when nobody is. */
  end(): Promise<void>;
}

/** @throws UserError when one of the ports is not to be had, or the certificate is of no use */
export async function listen(
  settings: ListenSettings,
  limits: Limits,
  headcount: ConnectionLimiter,
  door: ConnectionHandler,
): Promise<Listening> {
  const listeners = await listenersFor(settings, limits, door);
  const sockets = new Set<Socket>();
  const closed = listeners.map(({ server }) => closing(server, sockets));
  for (const { server, scheme } of listeners) headcount.attach(server, scheme === "mqtt");
  const close = () => {
    for (const { server } of listeners) server.close();
  };
  const end = async () => {
    for (const socket of sockets) socket.destroy();
    await Promise.all(closed);
  };
  const places: AddressInfo[] = [];
  try {
    for (const listener of listeners) places.push(await bind(listener, settings.host));
  } catch (error) {
    close();
    throw error;
  }
  for (const { server } of listeners) server.on("error", error => door.onError(error));
  const host = settings.host.includes(":") ? `[${settings.host}]` : settings.host;
  const urls = listeners.map(({ scheme, path }, i) => `${scheme}://${host}:${places[i]?.port}${path}`);
  const [first] = places;
  return {
    urls: urls as Listening["urls"],
    port: first?.port ?? 0,
    address: first?.address ?? "",
    close,
    end,
  };
}

async function listenersFor(
  { port, tls, tlsOnly, ws }: ListenSettings,
  limits: Limits,
  door: ConnectionHandler,
): Promise<Listener[]> {
  const listeners: Listener[] = [];
  const add = (option: string, port: number, scheme: string, server: Server, path = "") =>
    listeners.push({ option, port, scheme, server, path });
  const welcome = (socket: Socket) => door.onOpen(socket, socket);
  // Nagle's algorithm would hold acknowledgments back for 40 ms.
  if (!tlsOnly) add("--port", port, "mqtt", createServer({ noDelay: true }, welcome));
  const handshakeTimeout = limits["connect-seconds"] * SECOND;
  const secured = tls ? { ...(await tlsOptions(tls)), noDelay: true, handshakeTimeout } : null;
  if (tls && secured) {
    const { createServer: createTlsServer } = await import("node:tls");
    add("--tls-port", tls.port, "mqtts", refusing(createTlsServer(secured, welcome), door));
  }
  if (ws) {
    const { webSocketServer } = await import("./websocket-listener.js");
    const server = await webSocketServer(ws.origins, secured, limits, door);
    add("--ws-port", ws.port, secured ? "wss" : "ws", refusing(server, door), "/mqtt");
  }
  return listeners;
}

/** Tells of connections on which TLS came to nothing; that there was none on this server, it never tells. */
function refusing(server: Server, door: ConnectionHandler): Server {
  // First, since node:https ends the connection, and its address would not be known then.
  return server.prependListener("tlsClientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === "ERR_TLS_HANDSHAKE_TIMEOUT") {
      door.onHandshakeTimeout(socket);
      socket.destroy(); // node:tls would leave it open
      return;
    }
    const fault = tlsFault(error);
    if (fault !== null) door.onRefused(socket, fault);
  });
}

/** Kept when the server is closed and no connection is left. Each is among the sockets while it lasts. */
function closing(server: Server, sockets: Set<Socket>): Promise<void> {
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  return new Promise(resolve => server.once("close", resolve));
}

async function bind({ option, port, server }: Listener, host: string): Promise<AddressInfo> {
  try {
    server.listen(port, host);
    await once(server, "listening");
    return server.address() as AddressInfo;
  } catch (error) {
    throw await listenError(error, host, port, option);
  }
}
