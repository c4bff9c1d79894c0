import type { MqttClient } from "mqtt";
import type { FailCause } from "../events/events.js";
import { resetSocket } from "../util/reset-socket.js";
import { sendPacket, silence } from "./mqtt-internals.js";
import type { Transport } from "./transport.js";

/** The ways to lose a connection on purpose, below MQTT: after each the broker has a will to publish. */
export type DropCause = Exclude<FailCause, "crash" | "graceful">;

/** A packet type that MQTT 3.1.1 reserves (table 2.1); every broker must close for it [MQTT-4.8.0-1]. */
const RESERVED_PACKET = Buffer.from([0x00, 0x00]);

/** MQTT 5, 3.14.2.1: the client disconnects, and the broker publishes its will nevertheless. */
const DISCONNECT_WITH_WILL = 0x04;

export const dropConnection: Record<DropCause, (transport: Transport, client: MqttClient) => void> = {
  network: ({ socket }) => resetSocket(socket),
  "no-disconnect": ({ socket }) => socket.end(),
  "protocol-error": ({ stream }) => stream.write(RESERVED_PACKET),
  "disconnect-with-will": ({ stream }, client) =>
    sendPacket(client, { cmd: "disconnect", reasonCode: DISCONNECT_WITH_WILL }, () => stream.end()),
  "keep-alive": (_transport, client) => silence(client),
};
