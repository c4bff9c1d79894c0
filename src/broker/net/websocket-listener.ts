import { createServer, type IncomingMessage, type Server, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { hostname } from "node:os";
import type { Duplex } from "node:stream";
import type { TlsOptions } from "node:tls";
import { createWebSocketStream, type WebSocket, WebSocketServer } from "ws";
import { WebSocketFrames } from "./websocket-frames.js";
import { CLOSE_GRACE_MS, type Limits, PIECE_OVERHEAD } from "../limits/limits.js";
import type { ConnectionHandler } from "./connection-handler.js";
import { isLoopback } from "./loopback.js";

const SUBPROTOCOL = "mqtt"; // [MQTT-6.0.0-3]
const PATHS = ["/mqtt", "/"];
/** Packets of the maximum size that fit into one frame. */
const MAX_PACKETS_IN_FRAME = 2;
/** Bytes that a client may leave unread before its pings are no longer answered. */
const MAX_UNREAD_BYTES = 64 * 1024;
/** Characters of an origin that the reason shows. */
const MAX_SHOWN_ORIGIN = 60;

const SECOND_MS = 1000;

const httpOptions = (seconds: number) => ({
  noDelay: true,
  maxHeaderSize: 8 * 1024,
  headersTimeout: seconds * SECOND_MS,
  requestTimeout: seconds * SECOND_MS,
  connectionsCheckingInterval: (seconds * SECOND_MS) / 4,
});

const HERE_IS_MQTT = "Here is an MQTT broker: connect with WebSocket, subprotocol mqtt, at /mqtt.\n";

/** Creates a server of MQTT over WebSocket (MQTT 3.1.1, 6), over TLS if `tlsOptions` is given. */
export async function webSocketServer(
  origins: string[],
  tlsOptions: TlsOptions | null,
  limits: Limits,
  handler: ConnectionHandler,
): Promise<Server> {
  const options = httpOptions(limits["connect-seconds"]);
  const server = tlsOptions
    ? (await import("node:https")).createServer({ ...options, ...tlsOptions })
    : createServer(options);
  const sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    autoPong: false, // it would queue pongs without limit for a client that does not read
    maxPayload: MAX_PACKETS_IN_FRAME * limits["packet-bytes"],
    handleProtocols: () => SUBPROTOCOL,
  });
  server.on("request", (_request, response) =>
    response.writeHead(426, { Upgrade: "websocket", Connection: "close" }).end(HERE_IS_MQTT),
  );
  server.on("clientError", (error: NodeJS.ErrnoException, stream: Duplex) => {
    if (error.code === "ERR_HTTP_REQUEST_TIMEOUT") handler.onHandshakeTimeout(stream as Socket);
    else if (error.code?.startsWith("HPE_"))
      handler.onRefused(stream as Socket, "no WebSocket, which this port requires");
    stream.destroy();
  });
  server.on("upgrade", (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    const socket = stream as Socket;
    socket.on("error", () => {});
    const refusal = refusalOf(request, socket, origins);
    if (!refusal) return sockets.handleUpgrade(request, socket, head, one => accept(one, socket, handler));
    const { status, reason } = refusal;
    handler.onRefused(socket, reason);
    socket.end(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
    );
    socket.destroySoon();
  });
  return server;
}

function accept(webSocket: WebSocket, socket: Socket, handler: ConnectionHandler): void {
  const stream = createWebSocketStream(webSocket, {
    // Sends all waiting chunks in one frame.
    writev: (chunks, done) => {
      webSocket.send(Buffer.concat(chunks.map(({ chunk }) => chunk as Buffer)), done);
    },
  });
  webSocket.prependListener("message", (_data, isBinary) => {
    if (!isBinary) stream.destroy(new Error("a text frame [MQTT-6.0.0-1]"));
  });
  webSocket.on("ping", data => {
    if (socket.writableLength < MAX_UNREAD_BYTES) webSocket.pong(data);
  });
  // ws does not report a reset of the connection.
  socket.on("error", error => stream.destroy(error));
  stream.on("error", () => setTimeout(() => socket.destroy(), CLOSE_GRACE_MS).unref());
  handler.onOpen(stream, socket);
  watchFrames(socket, (message, bytes) => handler.onPartialBytes(stream, message, bytes));
}

/** Reports after each read how many bytes of memory an incomplete message takes. */
function watchFrames(socket: Socket, report: (message: object, bytes: number) => void): void {
  const frames = new WebSocketFrames();
  let message = {};
  let bytes = 0;
  socket.on("data", (piece: Buffer) => {
    if (frames.take(piece)) {
      message = {};
      bytes = 0;
    }
    bytes += piece.length + PIECE_OVERHEAD; // a piece stays in memory as long as one of its bytes is needed
    if (frames.isBetween) bytes = 0;
    report(message, bytes === 0 ? 0 : bytes + frames.count * PIECE_OVERHEAD);
  });
}

/** Returns why the upgrade is refused, or null. */
function refusalOf(
  { url = "", headers }: IncomingMessage,
  socket: Socket,
  origins: string[],
): { status: number; reason: string } | null {
  const [path = ""] = url.split("?");
  if (!PATHS.includes(path)) return { status: 404, reason: "a WebSocket at another path than /mqtt" };
  const { origin } = headers;
  if (origin !== undefined && !origins.includes(origin) && !isOwnHost(origin, socket)) {
    const shown = origin.length > MAX_SHOWN_ORIGIN ? `${origin.slice(0, MAX_SHOWN_ORIGIN)}…` : origin;
    return { status: 403, reason: `a page from ${shown}: not allowed by --ws-origin` };
  }
  const offered = headers["sec-websocket-protocol"]?.split(",").map(each => each.trim()) ?? [];
  if (!offered.includes(SUBPROTOCOL))
    return { status: 400, reason: "a WebSocket without the subprotocol mqtt [MQTT-6.0.0-3]" };
  return null;
}

/**
 * Whether a page comes from the computer that it connects to, by the computer's address and name. The name in the
 * request is not compared: an attacker's name could resolve to this computer (DNS rebinding).
 */
function isOwnHost(origin: string, { localAddress = "" }: Socket): boolean {
  if (!URL.canParse(origin)) return false;
  const host = new URL(origin).hostname.replace(/^\[|\]$/g, "");
  const own = [localAddress.replace(/^::ffff:/, ""), hostname().toLowerCase()];
  return own.includes(host) || (host === "localhost" && isLoopback(localAddress));
}
