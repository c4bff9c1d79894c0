/** A packet as mqtt-packet parses it. */
export interface ParsedPacket {
  cmd: string;
  /** The remaining length. */
  length: number;
  messageId?: number;
  will?: { qos: number };
  dup?: boolean;
  qos?: number;
  username?: unknown;
  password?: unknown;
  subscriptions?: unknown[];
  unsubscriptions?: unknown[];
}

/** The error message of mqtt-packet for an unknown protocol level. */
export const UNKNOWN_PROTOCOL = "Invalid protocol version";
/** Packets whose variable header is only a packet identifier. */
const ACKNOWLEDGMENTS = new Set(["puback", "pubrec", "pubrel", "pubcomp"]);

/** Protocol levels by protocol name: 3 is MQTT 3.1, 4 is 3.1.1, and 5 gets CONNACK with return code 1 from aedes. */
const LEVELS = new Map([
  ["MQIsdp", [3]],
  ["MQTT", [4, 5]],
]);

/**
 * Returns the problem of the protocol name and level of a CONNECT, or null. mqtt-packet does not check the pair, and
 * masks bit 7 of the level. @param body the packet without its fixed header
 */
export function connectProtocolFault(body: Buffer): string | null {
  const end = body.length < 2 ? 2 : 2 + body.readUInt16BE(0);
  const levels = LEVELS.get(body.toString("latin1", 2, end));
  if (!levels) return null; // the parser's to refuse
  const level = body[end];
  if (level === undefined) return "a CONNECT without a protocol level";
  return levels.includes(level) ? null : UNKNOWN_PROTOCOL;
}

const EMPTY = new Set(["pingreq", "disconnect"]);
const BROKERS_OWN = new Set(["connack", "suback", "unsuback", "pingresp"]);

/** Returns a violation of MQTT 3.1.1 that mqtt-packet accepts, or null. @param read bytes that the fields took */
export function packetFault(packet: ParsedPacket, read: number): string | null {
  const { cmd, length, messageId, dup, qos, will, username, password, unsubscriptions } = packet;
  if (BROKERS_OWN.has(cmd)) return "a packet that only a broker sends";
  const tooShort = read > length || (cmd === "connect" && read < length);
  if (tooShort || (ACKNOWLEDGMENTS.has(cmd) && length !== 2) || (EMPTY.has(cmd) && length !== 0))
    return "a packet's length does not fit what is in it";
  if (cmd === "publish" && dup && qos === 0) return "DUP at QoS 0 [MQTT-3.3.1-2]";
  if (messageId === 0) return "packet identifier 0 [MQTT-2.3.1-1]";
  if (will?.qos === 3) return "a will at QoS 3 [MQTT-3.1.2-14]";
  if (password !== undefined && username === undefined)
    return "a password without a user name [MQTT-3.1.2-22]";
  if (unsubscriptions?.length === 0) return "an UNSUBSCRIBE without a filter [MQTT-3.10.3-2]";
  return null;
}
