import { createWebSocketStream, WebSocket } from "ws";
import { urlOf } from "../protocol/broker-url.js";
import { ProtocolError } from "./packet-framer.js";
import type { TransportLayer } from "./transport-layer.js";

/** The subprotocol that brokers expect (MQTT 3.1.1, 6). */
const SUBPROTOCOL = "mqtt";

/** A message of a WebSocket, which is kept until it is whole, may hold several packets. */
const PACKETS_IN_A_MESSAGE = 4;

/**
 * MQTT in WebSocket frames, on the socket or on what `below` puts on it.
 * @param maxPacket bytes that a packet may have
 */
export const webSocketLayer =
  (below: TransportLayer | null, maxPacket: number): TransportLayer =>
  (socket, address) => {
    const stream = below ? below(socket, address) : socket;
    const webSocket = new WebSocket(urlOf(address), SUBPROTOCOL, {
      createConnection: () => stream as typeof socket,
      perMessageDeflate: false,
      maxPayload: PACKETS_IN_A_MESSAGE * maxPacket,
    });
    const framed = createWebSocketStream(webSocket);
    webSocket.prependListener("message", (_bytes, isBinary) => {
      if (!isBinary) framed.destroy(new ProtocolError("a WebSocket message of text [MQTT-6.0.0-1]"));
    });
    framed.on("end", () => framed.destroy()); // or it would wait for this side to end too
    return framed;
  };
