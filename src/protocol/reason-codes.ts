/** The meaning of a reason code (MQTT 5, 2.4), and the hint. */
interface Meaning {
  reason: string;
  hint: string;
}

const LOG_IN =
  "Log in with LWT_USERNAME and LWT_PASSWORD. If you did, use topics that this user may use, for example with --machine NAME.";
const NOT_OURS = "Run the command again with --debug to see the packets before that.";
const LATER = "Try again in a moment, or use another broker: --broker HOST";
const ASK_OWNER = "Ask the broker's owner, or use another broker: --broker HOST";
const USE_311 = "Omit --protocol-version 5, or use a broker that speaks it, such as Mosquitto 2.";
const OTHER_SERVER = "Ask the broker's owner for the new address, and use --broker HOST";

/** The reason codes in CONNACK, DISCONNECT, PUBACK, PUBREC, PUBCOMP and SUBACK. */
export const reasonCodes: Record<number, Meaning> = {
  0x00: { reason: "normal disconnection", hint: LATER },
  0x01: { reason: "it does not speak MQTT 5", hint: USE_311 }, // MQTT 3.1.1's return code
  0x80: { reason: "the broker gives no reason", hint: ASK_OWNER },
  0x81: { reason: "it can't read the packet", hint: NOT_OURS },
  0x82: { reason: "the packet breaks the protocol", hint: NOT_OURS },
  0x83: { reason: "an implementation-specific error", hint: ASK_OWNER },
  0x84: { reason: "it does not speak MQTT 5", hint: USE_311 },
  0x85: {
    reason: "it does not accept this client identifier",
    hint: "Choose another one: --client-id NAME, letters and digits, 23 at most.",
  },
  0x86: {
    reason: "the user name or password is wrong",
    hint: "Check the user name and the password, for example in LWT_USERNAME and LWT_PASSWORD.",
  },
  0x87: { reason: "not authorized", hint: LOG_IN },
  0x88: { reason: "its MQTT service is not available", hint: LATER },
  0x89: { reason: "the broker is busy", hint: LATER },
  0x8a: { reason: "this client is banned", hint: ASK_OWNER },
  0x8b: { reason: "the broker is shutting down", hint: LATER },
  0x8c: { reason: "it requires another authentication method", hint: ASK_OWNER },
  0x8d: {
    reason: "keep alive timeout: it heard nothing for too long",
    hint: "Use a longer keep alive: --keep-alive SECONDS. The network probably stalled.",
  },
  0x8e: {
    reason: "session taken over: another client has connected with this ID",
    hint: "Choose another ID: --client-id NAME. A client ID must be unique at the broker.",
  },
  0x8f: { reason: "it does not accept this topic filter", hint: "Choose another --topic." },
  0x90: { reason: "it does not accept this topic", hint: "Choose another --topic." },
  0x91: { reason: "the packet identifier is in use", hint: NOT_OURS },
  0x92: {
    reason: "the broker no longer knows this packet identifier",
    hint: "Send the message again: the session has ended, and the message may be lost.",
  },
  0x93: { reason: "too many messages at once (receive maximum exceeded)", hint: NOT_OURS },
  0x94: { reason: "the topic alias is invalid", hint: NOT_OURS },
  0x95: { reason: "the packet is too large for it", hint: "Send shorter payloads." },
  0x96: {
    reason: "the message rate is too high",
    hint: "Publish more slowly: --interval SECONDS",
  },
  0x97: {
    reason: "a quota is exceeded",
    hint: "End sessions that are no longer needed (--forget), or ask the broker's owner.",
  },
  0x98: { reason: "an administrator closed the connection", hint: ASK_OWNER },
  0x99: { reason: "the payload does not have the declared format", hint: NOT_OURS },
  0x9a: {
    reason: "it stores no retained messages",
    hint: "Use --will-retain=false and --no-status, and omit --retain.",
  },
  0x9b: {
    reason: "it does not support this QoS",
    hint: "Use a lower --qos, and for a will --will-qos.",
  },
  0x9c: { reason: "another server must be used for now", hint: OTHER_SERVER },
  0x9d: { reason: "the server has moved", hint: OTHER_SERVER },
  0x9e: { reason: "it has no shared subscriptions", hint: "Choose a --topic without $share." },
  0x9f: { reason: "too many connections in too short a time", hint: LATER },
  0xa0: { reason: "the maximum connect time has passed", hint: LATER },
  0xa1: { reason: "it has no subscription identifiers", hint: NOT_OURS },
  0xa2: { reason: "it accepts no wildcards in topic filters", hint: "Choose a --topic without + and #." },
};

/** Returns the code as 0x8E. */
export const hex = (code: number): string => `0x${code.toString(16).toUpperCase().padStart(2, "0")}`;
