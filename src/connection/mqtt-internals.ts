/**
 * All that the connection uses of mqtt.js 5.16.0 beside its documented interface: members that are private, or public
 * in its types only. `test/unit/connection/mqtt-internals.test.ts` fails when one of them changes.
 */
import type { MqttClient, Packet, Store } from "mqtt";
import type { BrokerAddress } from "../protocol/broker-url.js";

type SendPacket = (packet: Packet, done?: () => void, onStored?: () => void, noStore?: boolean) => void;
interface StoredPacket {
  cmd: string;
  dup?: boolean;
}
type AcknowledgmentCallback = (error?: Error | null, answer?: unknown) => void;

export function sendPacket(client: MqttClient, packet: Packet, done?: () => void): void {
  (client["_sendPacket"] as SendPacket)(packet, done);
}

/** Sends a packet that mqtt.js does not send again after a reconnect. */
export function sendWithoutStoring(client: MqttClient, packet: Packet): void {
  (client["_sendPacket"] as SendPacket)(packet, undefined, undefined, true);
}

/** @param maySend called before each packet: after false it is not sent, and mqtt.js takes it for sent */
export function filterPackets(client: MqttClient, maySend: (packet: Packet) => boolean): void {
  const send = (client["_sendPacket"] as SendPacket).bind(client);
  const filtered: SendPacket = (packet, done, ...more) =>
    maySend(packet) ? send(packet, done, ...more) : done?.();
  client["_sendPacket"] = filtered;
}

/** The socket stays open, and nothing leaves it: no ping, no acknowledgment. */
export function silence(client: MqttClient): void {
  client.keepaliveManager?.destroy();
  filterPackets(client, () => false);
}

export const streamOf = (client: MqttClient) => client.stream;

export const isPacketIdInUse = (client: MqttClient, packetId: number): boolean =>
  client.outgoing[packetId] !== undefined;

/** @param callback called at PUBACK or PUBCOMP */
export function expectAcknowledgment(
  client: MqttClient,
  packetId: number,
  callback: AcknowledgmentCallback,
): void {
  client.outgoing[packetId] = { volatile: false, cmd: "publish", cb: callback };
}

export function forgetAcknowledgment(client: MqttClient, packetId: number): void {
  delete client.outgoing[packetId];
}

/** Ends the wait for each acknowledgment with an error: mqtt.js would wait without limit. */
export function forgetAllInFlight(client: MqttClient): void {
  for (const packetId of Object.keys(client.outgoing)) client.removeOutgoingMessage(Number(packetId));
}

/** Takes effect with the next CONNECT. @param connectTimeout milliseconds */
export function setConnectOptions(
  client: MqttClient,
  clientId: string,
  connectTimeout: number,
  { username, password }: Pick<BrokerAddress, "username" | "password">,
): void {
  const credentials = { username: username ?? undefined, password: password ?? undefined };
  Object.assign(client.options, { clientId, connectTimeout, ...credentials });
}

export const storedPackets = (store: Store): Map<number, StoredPacket> =>
  store["_inflights"] as Map<number, StoredPacket>;
