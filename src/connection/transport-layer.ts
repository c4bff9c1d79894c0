import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { BrokerAddress } from "../protocol/broker-url.js";

/** Adds TLS or WebSocket to a socket. @throws UserError when certificates can't be used */
export type TransportLayer = (socket: Socket, address: BrokerAddress) => Duplex;
