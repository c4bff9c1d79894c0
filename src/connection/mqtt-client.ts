import type { MqttClient, Packet } from "mqtt";
import clientModule from "mqtt/lib/client"; // "mqtt" itself brings WebSocket and SOCKS connections along
import { writeToStream } from "mqtt-packet";
import type { Duplex } from "node:stream";
import type { ConnectionSettings } from "../config/connection-options.js";
import type { ClientEvent, Sink } from "../events/events.js";
import { describePacket } from "../protocol/describe-packet.js";
import { sessionExpiryOf } from "../protocol/session-expiry.js";
import type { InFlightStore } from "./in-flight-store.js";
import type { PacketIdentifiers } from "./packet-identifiers.js";

writeToStream.cacheNumbers = false; // its table of 65 536 buffers takes 32 ms and 18 MB, and saves no time

interface MqttClientParts {
  openStream: () => Duplex;
  outgoingStore: InFlightStore;
  incomingStore: InFlightStore;
  messageIdProvider: PacketIdentifiers;
}

export function createMqttClient(
  settings: Required<ConnectionSettings>,
  { openStream, ...parts }: MqttClientParts,
): MqttClient {
  const { clientId, cleanSession, keepAlive, protocolVersion, will } = settings;
  return new clientModule.default(openStream, {
    clientId,
    clean: cleanSession,
    keepalive: keepAlive,
    ...(will && { will: { ...will, payload: Buffer.from(will.payload) } }),
    ...(protocolVersion === "5" && mqtt5Options(settings)),
    manualConnect: true,
    reconnectPeriod: 0, // reconnect-policy.ts decides when
    resubscribe: false, // the caller of subscribe() does
    ...parts,
    writeCache: false, // the same table
  });
}

/** Clean start 0 alone stores nothing: a stored session needs an expiry [MQTT-3.1.2-23]. */
function mqtt5Options(settings: Required<ConnectionSettings>) {
  const { will, willDelay } = settings;
  const properties = { willDelayInterval: willDelay };
  return {
    protocolVersion: 5 as const,
    properties: { sessionExpiryInterval: sessionExpiryOf(settings) ?? 0 },
    ...(will && { will: { ...will, payload: Buffer.from(will.payload), properties } }),
  };
}

/** Emits a `packet` event for each packet, as --debug shows it. */
export function reportPackets(client: MqttClient, sink: Sink<ClientEvent>): void {
  const report = (direction: "sent" | "received", packet: Packet) =>
    sink({ event: "packet", direction, description: describePacket(packet) });
  client.on("packetsend", packet => void report("sent", packet));
  client.on("packetreceive", packet => void report("received", packet));
}
