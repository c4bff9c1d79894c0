import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { BrokerAddress } from "./broker-url.js";
import type { TlsSettings } from "./connection-options.js";

/** One network connection, from the TCP socket up to what MQTT is spoken over. */
export interface Transport {
  socket: Socket;
  /** The socket itself, or what encrypts or frames on it. */
  stream: Duplex;
}

/** Puts on a socket what a scheme asks for. @throws UserError when certificates can't be used */
export type Layer = (socket: Socket, address: BrokerAddress) => Duplex;

/** What lies on TCP, by the URL's scheme. Loaded when it is needed: it takes longer than the rest. */
const layers: Record<BrokerAddress["scheme"], (tls: TlsSettings, maxPacket: number) => Promise<Layer>> = {
  mqtt: async () => socket => socket,
  mqtts: async tls => (await import("./tls-options.js")).tlsLayer(tls),
  ws: async (_tls, maxPacket) => (await import("./websocket-transport.js")).webSocketLayer(null, maxPacket),
  wss: async (tls, maxPacket) => {
    const { tlsLayer } = await import("./tls-options.js");
    return (await import("./websocket-transport.js")).webSocketLayer(tlsLayer(tls), maxPacket);
  },
};

/**
 * What opens a connection to that broker, each time that it is called.
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
