import type { MqttClient } from "mqtt";
import type { FailCause } from "../events/events.js";
import type { SendPacket } from "./message-receiver.js";
import { resetSocket } from "../util/reset-socket.js";
import type { Transport } from "./transport.js";

/** The ways to lose a connection on purpose, below MQTT: each leaves the broker with a will to publish. */
export type DropCause = Exclude<FailCause, "crash" | "graceful">;

/** A packet type that MQTT 3.1.1 reserves (table 2.1); every broker has to close for it [MQTT-4.8.0-1]. */
const RESERVED_PACKET = Buffer.from([0x00, 0x00]);

/** MQTT 5, 3.14.2.1: the client goes, and wants its will to be sent all the same. */
const DISCONNECT_WITH_WILL = 0x04;

export const dropConnection: Record<DropCause, (transport: Transport, client: MqttClient) => void> = {
  network: ({ socket }) => resetSocket(socket),
  "no-disconnect": ({ socket }) => socket.end(),
  "protocol-error": ({ stream }) => stream.write(RESERVED_PACKET),
  "disconnect-with-will": ({ stream }, client) => {
    const packet = { cmd: "disconnect", reasonCode: DISCONNECT_WITH_WILL } as const;
    (client["_sendPacket"] as SendPacket)(packet, () => stream.end());
  },
  /** The socket stays open, and nothing leaves it: no ping, no acknowledgment. */
  "keep-alive": (_transport, client) => {
    client.keepaliveManager?.destroy();
    client["_sendPacket"] = (_packet: unknown, done?: () => void) => done?.();
  },
};
