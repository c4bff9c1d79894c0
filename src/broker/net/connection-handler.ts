import type { Socket } from "node:net";
import type { Duplex } from "node:stream";

/** Handles the connections of all ports. */
export interface ConnectionHandler {
  /** The client speaks MQTT on that stream, over that socket. */
  onOpen(stream: Duplex, socket: Socket): void;
  /** @param bytes that the layer beneath the stream buffers of an incomplete message */
  onPartialBytes(stream: Duplex, message: object, bytes: number): void;
  onRefused(socket: Socket, reason: string): void;
  /** TLS or WebSocket was not negotiated in time. */
  onHandshakeTimeout(socket: Socket): void;
  onError(error: Error): void;
}
