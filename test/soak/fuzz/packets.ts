import type { Random } from "../chaos/random.js";
import { field, packet, uint16 } from "../../support/packets.js";

/** A packet in parts, so that they can be swapped. */
export interface Draft {
  first: number;
  fields: Buffer[];
}

export const encode = ({ first, fields }: Draft): Buffer => packet(first, ...fields);

export const pick = <Item>(random: Random, all: readonly Item[]): Item =>
  all[random.between(0, all.length - 1)] as Item;

/** Names that mean something to objects, to files, to terminals, or to MQTT. */
const HOSTILE = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "valueOf",
  "hasOwnProperty",
  "__defineGetter__",
  "then",
  "length",
  "null",
  "../../etc/passwd",
  "$SYS",
  "$share",
  "\u001b[2J",
  "\u202eevil",
  "\ufeff",
  "💧".repeat(20),
  "x".repeat(300),
] as const;
const PLAIN = ["Machine1", "Machine2", "Subscriber1", "a", "b", "SensorData", "Status"] as const;
const LEVELS = [...HOSTILE, ...PLAIN, "", "", "a", "b"] as const;
const FILTERS = [
  "#",
  "+",
  "+/#",
  "/#",
  "a/+",
  "a/#/b",
  "a+",
  "$SYS/#",
  "$SYS/lwt-broker/status",
  "$share/g/a",
];

const clientId = (random: Random) => pick(random, [...HOSTILE, ...PLAIN, ""]);

function topicName(random: Random): string {
  const levels = random.chance(0.02) ? random.between(900, 1100) : random.between(1, 4);
  if (levels > 4) return "a/".repeat(levels);
  return Array.from({ length: levels }, () => pick(random, LEVELS)).join("/");
}

const topicFilter = (random: Random) => (random.chance(0.5) ? pick(random, FILTERS) : topicName(random));
const qos = (random: Random) => random.between(0, 2);
/** Few, so that they meet those that are under way. */
const packetId = (random: Random) =>
  uint16(random.chance(0.9) ? random.between(1, 6) : random.between(0, 0xffff));
const byte = (value: number) => Buffer.of(value);

export function bytes(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => random.between(0, 255)));
}

function payload(random: Random): Buffer {
  const length = random.chance(0.03) ? random.between(1000, 20_000) : random.between(0, 40);
  return Buffer.alloc(length, bytes(random, Math.min(length, 16)));
}

const PROTOCOLS = [
  ["MQTT", 4],
  ["MQTT", 4],
  ["MQTT", 4],
  ["MQTT", 4],
  ["MQTT", 4],
  ["MQIsdp", 3],
  ["MQTT", 5],
  ["MQTT", 6],
] as const;

function connect(random: Random): Draft {
  const [name, level] = pick(random, PROTOCOLS);
  const will = random.chance(0.4) ? 0x04 | (qos(random) << 3) | (random.chance(0.5) ? 0x20 : 0) : 0;
  const credentials = random.chance(0.2) ? [0x80, 0xc0] : [0];
  const user = pick(random, credentials);
  const flags = (random.chance(0.5) ? 0x02 : 0) | will | user;
  const properties = level === 5 ? [byte(0)] : [];
  return {
    first: 0x10,
    fields: [
      field(name),
      byte(level),
      byte(flags),
      uint16(pick(random, [0, 0, 1, 60, 0xffff])),
      ...properties,
      field(clientId(random)),
      ...(will ? [...properties, field(topicName(random)), field(payload(random))] : []),
      ...(user ? [field(pick(random, HOSTILE))] : []),
      ...(user === 0xc0 ? [field(bytes(random, 8))] : []),
    ],
  };
}

function publish(random: Random): Draft {
  const at = qos(random);
  const dup = at > 0 && random.chance(0.2) ? 8 : 0;
  return {
    first: 0x30 | dup | (at << 1) | (random.chance(0.3) ? 1 : 0),
    fields: [field(topicName(random)), ...(at > 0 ? [packetId(random)] : []), payload(random)],
  };
}

function subscribe(random: Random): Draft {
  const filters = Array.from({ length: random.between(1, 4) }, () => [
    field(topicFilter(random)),
    byte(qos(random)),
  ]);
  return { first: 0x82, fields: [packetId(random), ...filters.flat()] };
}

function unsubscribe(random: Random): Draft {
  const filters = Array.from({ length: random.between(1, 4) }, () => field(topicFilter(random)));
  return { first: 0xa2, fields: [packetId(random), ...filters] };
}

const acknowledgment = (random: Random): Draft => ({
  first: pick(random, [0x40, 0x50, 0x62, 0x70]),
  fields: [packetId(random)],
});

const KINDS: ((random: Random) => Draft)[] = [
  publish,
  publish,
  publish,
  subscribe,
  subscribe,
  unsubscribe,
  acknowledgment,
  acknowledgment,
  () => ({ first: 0xc0, fields: [] }),
];

/** Packets that a client may send from CONNECT on, without DISCONNECT. */
export const conversation = (random: Random): Draft[] => [
  connect(random),
  ...Array.from({ length: random.between(0, 8) }, () => pick(random, KINDS)(random)),
];
