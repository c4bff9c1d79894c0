/** The packets that a broker may send, by packet type, and between which remaining lengths, in bytes. */
export type BrokerPackets = Record<number, { name: string; min: number; max: number }>;

/** Packet types (MQTT 3.1.1, 2.2.1). */
export const CONNACK = 2;
export const PUBLISH = 3;

const ANY = Number.POSITIVE_INFINITY;

/** MQTT 3.1.1, 2.2.1. */
export const BROKER_PACKETS: BrokerPackets = {
  [CONNACK]: { name: "CONNACK", min: 2, max: 2 },
  [PUBLISH]: { name: "PUBLISH", min: 3, max: ANY },
  4: { name: "PUBACK", min: 2, max: 2 },
  5: { name: "PUBREC", min: 2, max: 2 },
  6: { name: "PUBREL", min: 2, max: 2 },
  7: { name: "PUBCOMP", min: 2, max: 2 },
  9: { name: "SUBACK", min: 3, max: ANY },
  11: { name: "UNSUBACK", min: 2, max: 2 },
  13: { name: "PINGRESP", min: 0, max: 0 },
};

/** MQTT 5, 2.1.2: most have properties. A broker that does not speak it may answer with a CONNACK of 3.1.1. */
export const BROKER_PACKETS_5: BrokerPackets = {
  ...Object.fromEntries(
    Object.entries(BROKER_PACKETS).map(([type, packet]) => [type, { ...packet, max: packet.max && ANY }]),
  ),
  14: { name: "DISCONNECT", min: 0, max: ANY },
  15: { name: "AUTH", min: 0, max: ANY },
};
