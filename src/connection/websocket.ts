import { createWebSocketStream, WebSocket } from "ws";
import { urlOf } from "./address.js";
import type { Layer } from "./transport.js";

/** The subprotocol that brokers expect (MQTT 3.1.1, 6). */
const SUBPROTOCOL = "mqtt";

/** MQTT in WebSocket frames, on the socket or on what `below` puts on it. */
export const webSocketLayer =
  (below: Layer | null): Layer =>
  (socket, address) => {
    const stream = below ? below(socket, address) : socket;
    const webSocket = new WebSocket(urlOf(address), SUBPROTOCOL, {
      createConnection: () => stream as typeof socket,
      perMessageDeflate: false,
    });
    const framed = createWebSocketStream(webSocket);
    framed.on("end", () => framed.destroy()); // or it would wait for this side to end too
    return framed;
  };
