import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TlsSettings } from "../config/connection-options.js";
import type { BrokerAddress } from "../protocol/broker-url.js";
import type { TransportLayer } from "./transport-layer.js";

/** One network connection, from the TCP socket up to the stream that carries MQTT. */
export interface Transport {
  socket: Socket;
  /** The socket itself, or its outermost layer. */
  stream: Duplex;
}

type LoadLayer = (tls: TlsSettings, maxPacket: number) => Promise<TransportLayer>;

/** The layer on TCP, by the URL's scheme. Loaded when it is needed: it takes longer than the rest. */
const layers: Record<BrokerAddress["scheme"], LoadLayer> = {
  mqtt: async () => socket => socket,
  mqtts: async tls => (await import("./tls-transport.js")).tlsLayer(tls),
  ws: async (_tls, maxPacket) => (await import("./websocket-transport.js")).webSocketLayer(null, maxPacket),
  wss: async (tls, maxPacket) => {
    const { tlsLayer } = await import("./tls-transport.js");
    return (await import("./websocket-transport.js")).webSocketLayer(tlsLayer(tls), maxPacket);
  },
};

/**
 * Returns a function that opens a connection to that broker at each call.
 * @param maxPacket bytes that a packet may have
 * @throws UserError when certificates can't be used
 */
export async function transportTo(
  address: BrokerAddress,
  tls: TlsSettings,
  maxPacket: number,
): Promise<() => Transport> {
  const layer = await layers[address.scheme](tls, maxPacket);
  return () => {
    // Nagle's algorithm is off: with it, a PINGREQ that follows a PUBACK waits 40 ms for the other side's delayed
    // acknowledgment, and the end of a queue is noticed late or, under traffic, never.
    const socket = connect({ host: address.host, port: address.port, noDelay: true });
    return { socket, stream: layer(socket, address) };
  };
}
