import { createServer, type IncomingMessage, type Server, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { hostname } from "node:os";
import type { Duplex } from "node:stream";
import type { TlsOptions } from "node:tls";
import { createWebSocketStream, type WebSocket, WebSocketServer } from "ws";
import { WebSocketFrames } from "./websocket-frames.js";
import { CLOSE_GRACE_MS, type Limits, PIECE_OVERHEAD } from "../limits/limits.js";
import type { ConnectionHandler } from "./listeners.js";
import { isLoopback } from "./loopback.js";

const SUBPROTOCOL = "mqtt"; // [MQTT-6.0.0-3]
const PATHS = ["/mqtt", "/"];
/** Several may be in one frame. */
const PACKETS_IN_FRAME = 2;
/** Of pings, which are answered while that is not unread. */
const MOST_UNREAD_PONGS = 64 * 1024;
/** Characters of an origin that are repeated. */
const LONGEST_SHOWN = 60;

const SECOND = 1000;

/** @param seconds for all of the request */
const http = (seconds: number) => ({
  noDelay: true,
  maxHeaderSize: 8 * 1024,
  headersTimeout: seconds * SECOND,
  requestTimeout: seconds * SECOND,
  connectionsCheckingInterval: (seconds * SECOND) / 4,
});

const HERE_IS_MQTT = "Here is an MQTT broker: connect with WebSocket, subprotocol mqtt, at /mqtt.\n";

/** A server of MQTT over WebSocket (MQTT 3.1.1, 6), and with `secured` over TLS. */
export async function webSocketServer(
  origins: string[],
  secured: TlsOptions | null,
  limits: Limits,
  door: ConnectionHandler,
): Promise<Server> {
  const options = http(limits["connect-seconds"]);
  const server = secured
    ? (await import("node:https")).createServer({ ...options, ...secured })
    : createServer(options);
  const sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    autoPong: false, // it would answer without an end who never reads
    maxPayload: PACKETS_IN_FRAME * limits["packet-bytes"],
    handleProtocols: () => SUBPROTOCOL,
  });
  server.on("request", (_request, response) =>
    response.writeHead(426, { Upgrade: "websocket", Connection: "close" }).end(HERE_IS_MQTT),
  );
  server.on("clientError", (error: NodeJS.ErrnoException, stream: Duplex) => {
    if (error.code === "ERR_HTTP_REQUEST_TIMEOUT") door.onHandshakeTimeout(stream as Socket);
    else if (error.code?.startsWith("HPE_"))
      door.onRefused(stream as Socket, "no WebSocket, which this port wants");
    stream.destroy();
  });
  server.on("upgrade", (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    const socket = stream as Socket;
    socket.on("error", () => {});
    const refusal = refusalOf(request, socket, origins);
    if (!refusal) return sockets.handleUpgrade(request, socket, head, one => accept(one, socket, door));
    const { status, reason } = refusal;
    door.onRefused(socket, reason);
    socket.end(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
    );
    socket.destroySoon();
  });
  return server;
}

function accept(webSocket: WebSocket, socket: Socket, door: ConnectionHandler): void {
  const stream = createWebSocketStream(webSocket, {
    // What waited goes out in one frame.
    writev: (chunks, done) => {
      webSocket.send(Buffer.concat(chunks.map(({ chunk }) => chunk as Buffer)), done);
    },
  });
  webSocket.prependListener("message", (_data, isBinary) => {
    if (!isBinary) stream.destroy(new Error("a text frame [MQTT-6.0.0-1]"));
  });
  webSocket.on("ping", data => {
    if (socket.writableLength < MOST_UNREAD_PONGS) webSocket.pong(data);
  });
  // ws keeps to itself that the connection was reset.
  socket.on("error", error => stream.destroy(error));
  stream.on("error", () => setTimeout(() => socket.destroy(), CLOSE_GRACE_MS).unref());
  door.onOpen(stream, socket);
  watchFrames(socket, (message, bytes) => door.onPartialBytes(stream, message, bytes));
}

/** Tells after each piece that was read how many bytes of memory a message takes that is not complete. */
function watchFrames(socket: Socket, tell: (message: object, bytes: number) => void): void {
  const frames = new WebSocketFrames();
  let message = {};
  let kept = 0;
  socket.on("data", (piece: Buffer) => {
    if (frames.take(piece)) {
      message = {};
      kept = 0;
    }
    kept += piece.length + PIECE_OVERHEAD; // all of a piece stays in memory, as long as a byte of it is kept
    if (frames.isBetween) kept = 0;
    tell(message, kept === 0 ? 0 : kept + frames.count * PIECE_OVERHEAD);
  });
}

/** Why there will be no WebSocket; null: nothing is wrong. */
function refusalOf(
  { url = "", headers }: IncomingMessage,
  socket: Socket,
  origins: string[],
): { status: number; reason: string } | null {
  const [path = ""] = url.split("?");
  if (!PATHS.includes(path)) return { status: 404, reason: "a WebSocket at another path than /mqtt" };
  const { origin } = headers;
  if (origin !== undefined && !origins.includes(origin) && !isOwnHost(origin, socket)) {
    const shown = origin.length > LONGEST_SHOWN ? `${origin.slice(0, LONGEST_SHOWN)}…` : origin;
    return { status: 403, reason: `a page from ${shown}: not allowed by --ws-origin` };
  }
  const offered = headers["sec-websocket-protocol"]?.split(",").map(each => each.trim()) ?? [];
  if (!offered.includes(SUBPROTOCOL))
    return { status: 400, reason: "a WebSocket without the subprotocol mqtt [MQTT-6.0.0-3]" };
  return null;
}

/**
 * Whether a page comes from the computer that it connects to. By that one's addresses and its name, and not by the name
 * that the page connected to: that could be any name, made to lead here (DNS rebinding).
 */
function isOwnHost(origin: string, { localAddress = "" }: Socket): boolean {
  if (!URL.canParse(origin)) return false;
  const host = new URL(origin).hostname.replace(/^\[|\]$/g, "");
  const own = [localAddress.replace(/^::ffff:/, ""), hostname().toLowerCase()];
  return own.includes(host) || (host === "localhost" && isLoopback(localAddress));
}
