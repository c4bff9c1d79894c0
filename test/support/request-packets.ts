import type { QoS } from "../../src/events/events.js";
import type { ObservedBroker } from "./observed-broker.js";
import { field, packet, uint16 } from "./packets.js";
import type { RawClient } from "./raw-client.js";

export const ALL_QOS = [0, 1, 2] as const;
export const DUP = 8;
export const RETAIN = 1;
const NOTHING = Buffer.alloc(0);

export const DISCONNECT = packet(0xe0);

export const publishPacket = (topic: string, payload: string, qos: QoS, packetId: number, flags = 0) =>
  packet(0x30 | (qos << 1) | flags, field(topic), qos > 0 ? uint16(packetId) : NOTHING, Buffer.from(payload));

export const subscribePacket = (packetId: number, filters: (readonly [topicFilter: string, qos: QoS])[]) =>
  packet(
    0x82,
    uint16(packetId),
    ...filters.flatMap(([topicFilter, qos]) => [field(topicFilter), Buffer.of(qos)]),
  );

export const unsubscribePacket = (packetId: number, filters: string[]) =>
  packet(0xa2, uint16(packetId), ...filters.map(topicFilter => field(topicFilter)));

/** The packet identifiers of all packets of that type that came, in their order. */
export const idsOf = (client: RawClient, type: number) =>
  client.packets.items.filter(each => each.type === type).map(({ body }) => body.readUInt16BE(0));

export const numbers = (count: number, first = 1) => Array.from({ length: count }, (_, i) => first + i);

/** Resolves with the retained messages that a new subscription receives, up to a marker retained last. */
export async function retainedFor(broker: ObservedBroker, filters: (readonly [string, QoS])[], options = {}) {
  const publisher = await broker.connect("retainer");
  for (const payload of ["", "the marker"]) await publisher.publish("the/marker", payload, 1, true);
  const client = await broker.connect("finder", options);
  client.socket.write(subscribePacket(900, [...filters, ["the/marker", 1]]));
  await client.payloadsBefore("the marker");
  publisher.disconnect();
  client.disconnect();
  await Promise.all([publisher.closed, client.closed]);
  return client.publishes.items.filter(({ topic }) => topic !== "the/marker");
}

export const filters: [clause: string, topicFilter: string, matches: RegExp][] = [
  ["4.7.1-2", "#", /^[^$]/su],
  ["4.7.1-2", "sport/tennis/#", /^sport\/tennis($|\/)/],
  ["4.7.1-2", "sport/tennis/player1/#", /^sport\/tennis\/player1($|\/)/],
  ["4.7.1-2", "a/#", /^a($|\/)/],
  ["4.7.1-2", "/#", /^\//],
  ["4.7.1-3", "+", /^[^$/][^/]*$/su],
  ["4.7.1-3", "+/+", /^([^$/][^/]*)?\/[^/]*$/su],
  ["4.7.1-3", "/+", /^\/[^/]*$/],
  ["4.7.1-3", "a/+", /^a\/[^/]*$/],
  ["4.7.1-3", "a/+/b", /^a\/[^/]*\/b$/],
  ["4.7.1-3", "+/b/#", /^a\/b(\/c)?$/],
  ["4.7.1-3", "+/tennis/#", /^sport\/tennis($|\/)/],
  ["4.7.1-3", "sport/+", /^sport\/tennis$/],
  ["4.7.1-3", "sport/tennis/+", /^sport\/tennis\/[^/]*$/],
  ["4.7.1-3", "a/+/#", /^a\//],
  ["4.7.1-3", "+/+/+", /^([^$/][^/]*)?\/[^/]*\/[^/]*$/su],
  ["4.7.2-1", "+/a", /^\/a$/],
  ["4.7.2-1", "+/a/b", /^never$/],
  ["4.7.2-1", "$own/#", /^\$own/],
  ["4.7.2-1", "$own/+", /^\$own\/a$/],
  ["4.7.2-1", "$own/+/b", /^\$own\/a\/b$/],
  ["4.7.2-1", "b/+", /^b\/\$own$/],
  ["4.7.3-1", "/", /^\/$/],
  ["4.7.3-1", "//", /^\/\/$/],
  ["4.7.3-1", "a//b", /^a\/\/b$/],
  ["4.7.3-1", " a", /^ a$/],
  ["4.7.3-1", "a b", /^a b$/],
  ["4.7.3-4", "A", /^A$/],
  ["4.7.3-4", "a", /^a$/],
  ["4.7.3-4", "a/", /^a\/$/],
  ["4.7.3-4", "/finance", /^\/finance$/],
  ["4.7.3-4", "\u00e9", /^\u00e9$/],
  ["4.7.3-4", "e\u0301", /^e\u0301$/],
  ["4.7.3-4", "\ufeff", /^\ufeff$/],
  ["4.7.3-4", "\ufeffa", /^\ufeffa$/],
  ["4.7.3-4", "\uffff", /^\uffff$/],
  ["4.7.3-4", "\u{1f600}/+", /^\u{1f600}\/\u0001$/u],
  ["4.7.3-4", "__proto__", /^__proto__$/],
  ["4.7.3-4", "constructor/#", /^constructor\/prototype$/],
];
