import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { ConnectionLimiter } from "../limits/connection-limiter.js";
import type { Limits } from "../limits/limits.js";
import { listenError } from "./listen-error.js";
import { tlsFault } from "../connack-reasons.js";
import { type Encryption, tlsOptions } from "./certificate.js";
import type { ConnectionHandler } from "./connection-handler.js";

const SECOND_MS = 1000;

export interface ListenSettings {
  host: string;
  /** 0 for a free one. */
  port: number;
  /** MQTT over TLS; default null. WebSockets use TLS then, too. */
  tls?: ({ port: number } & Encryption) | null;
  /** Do not listen without TLS at `port`. Default false. */
  tlsOnly?: boolean;
  /** MQTT over WebSocket; default null. `origins`: the pages that may connect, besides those of this computer. */
  ws?: { port: number; origins: string[] } | null;
}

interface Listener {
  option: string;
  port: number;
  scheme: string;
  path: string;
  server: Server;
}

export interface Listening {
  /** The first is that of `port`, or of TLS if there is no other. */
  urls: [string, ...string[]];
  /** The port of the first URL. */
  port: number;
  /** The IP address of the first URL. */
  address: string;
  /** Accepts no more connections. */
  close(): void;
  /** Destroys all sockets. Resolves when all are closed. */
  end(): Promise<void>;
}

/** @throws UserError if a port or the certificate cannot be used */
export async function listen(
  settings: ListenSettings,
  limits: Limits,
  connectionLimiter: ConnectionLimiter,
  handler: ConnectionHandler,
): Promise<Listening> {
  const listeners = await listenersFor(settings, limits, handler);
  const sockets = new Set<Socket>();
  const closed = listeners.map(({ server }) => whenClosed(server, sockets));
  for (const { server, scheme } of listeners) connectionLimiter.attach(server, scheme === "mqtt");
  const close = () => {
    for (const { server } of listeners) server.close();
  };
  const end = async () => {
    for (const socket of sockets) socket.destroy();
    await Promise.all(closed);
  };
  const addresses: AddressInfo[] = [];
  try {
    for (const listener of listeners) addresses.push(await bind(listener, settings.host));
  } catch (error) {
    close();
    throw error;
  }
  for (const { server } of listeners) server.on("error", error => handler.onError(error));
  const host = settings.host.includes(":") ? `[${settings.host}]` : settings.host;
  const urls = listeners.map(({ scheme, path }, i) => `${scheme}://${host}:${addresses[i]?.port}${path}`);
  const [first] = addresses;
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
  handler: ConnectionHandler,
): Promise<Listener[]> {
  const listeners: Listener[] = [];
  const add = (option: string, port: number, scheme: string, server: Server, path = "") =>
    listeners.push({ option, port, scheme, server, path });
  const open = (socket: Socket) => handler.onOpen(socket, socket);
  // Nagle's algorithm would delay acknowledgments by 40 ms.
  if (!tlsOnly) add("--port", port, "mqtt", createServer({ noDelay: true }, open));
  const handshakeTimeout = limits["connect-seconds"] * SECOND_MS;
  const secureOptions = tls ? { ...(await tlsOptions(tls)), noDelay: true, handshakeTimeout } : null;
  if (tls && secureOptions) {
    const { createServer: createTlsServer } = await import("node:tls");
    add("--tls-port", tls.port, "mqtts", reportTlsFaults(createTlsServer(secureOptions, open), handler));
  }
  if (ws) {
    const { webSocketServer } = await import("./websocket-listener.js");
    const server = await webSocketServer(ws.origins, secureOptions, limits, handler);
    add("--ws-port", ws.port, secureOptions ? "wss" : "ws", reportTlsFaults(server, handler), "/mqtt");
  }
  return listeners;
}

/** Reports the failed TLS handshakes of a server, if it has any. */
function reportTlsFaults(server: Server, handler: ConnectionHandler): Server {
  // The first listener: node:https ends the connection, which loses its address.
  return server.prependListener("tlsClientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === "ERR_TLS_HANDSHAKE_TIMEOUT") {
      handler.onHandshakeTimeout(socket);
      socket.destroy(); // node:tls leaves it open
      return;
    }
    const fault = tlsFault(error);
    if (fault !== null) handler.onRefused(socket, fault);
  });
}

/** Resolves when the server and all its connections are closed. Collects the open sockets. */
function whenClosed(server: Server, sockets: Set<Socket>): Promise<void> {
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
