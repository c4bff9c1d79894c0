import { createWebSocketStream, WebSocket } from "ws";
import { urlOf } from "../protocol/broker-url.js";
import { ProtocolError } from "./packet-framer.js";
import type { TransportLayer } from "./transport-layer.js";

/** The subprotocol that brokers expect (MQTT 3.1.1, 6). */
const SUBPROTOCOL = "mqtt";

/** A WebSocket message, which is buffered until it is complete, may hold several packets. */
const PACKETS_IN_A_MESSAGE = 4;

/** Puts MQTT into WebSocket frames on the socket or on the layer below. @param maxPacket bytes of the largest packet */
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
    framed.on("end", () => framed.destroy()); // otherwise it waits for the end of this side too
    return framed;
  };
