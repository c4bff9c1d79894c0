import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import path from "node:path";
import type { Duplex } from "node:stream";
import type { TestContext } from "node:test";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";
import { createWebSocketStream, WebSocketServer } from "ws";
import { supportFile } from "./paths.js";

/** Servers that a test needs beside a broker; each on a free port of this machine, and gone with the test. */

const certificates = supportFile("certificates");
export const certificate = (name: string) => path.join(certificates, `${name}.pem`);
const pem = (name: string) => readFileSync(certificate(name));

async function listen(t: TestContext, server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket.on("error", () => {})));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

/** Does with each connection what the test says. */
export const tcpServer = (t: TestContext, serve: (socket: Socket) => void): Promise<number> =>
  listen(t, createServer(serve));

/** Answers the first bytes of each connection with these, and the second ones with the next. */
export const answering = (t: TestContext, ...answers: number[][]): Promise<number> =>
  tcpServer(t, socket => {
    const left = [...answers];
    socket.on("data", () => {
      const answer = left.shift();
      if (answer) socket.write(Buffer.from(answer));
    });
  });

export const httpServer = (t: TestContext): Promise<number> =>
  listen(
    t,
    createHttpServer((_request, response) => response.writeHead(404).end()),
  );

function relay(from: Duplex, port: number): void {
  const to = connect(port, "127.0.0.1");
  const end = () => {
    from.destroy();
    to.destroy();
  };
  from.on("error", end).on("close", end).pipe(to).on("error", end).on("close", end).pipe(from);
}

const secured = (name: string, more: TlsOptions = {}) => ({ key: pem("key"), cert: pem(name), ...more });

/** TLS in front of a port, with that certificate. */
export const tlsRelay = (t: TestContext, port: number, name = "server", more: TlsOptions = {}) =>
  listen(
    t,
    createTlsServer(secured(name, more), socket => relay(socket, port)).on("tlsClientError", () => {}),
  );

/** The options of tlsRelay that require a client certificate of the tests' CA. */
export const clientsWanted = { requestCert: true, rejectUnauthorized: true, ca: pem("ca") };

/** WebSocket, or with TLS secure WebSocket, in front of a port; at /mqtt only. */
export function webSocketRelay(t: TestContext, port: number, { tls = false } = {}): Promise<number> {
  const server = tls ? createHttpsServer(secured("server")) : createHttpServer();
  const sockets = new WebSocketServer({ server, path: "/mqtt" });
  sockets.on("connection", socket => relay(createWebSocketStream(socket), port));
  t.after(() => sockets.close());
  return listen(t, server);
}
