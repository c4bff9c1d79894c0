/** A packet as the parsers of both sides give it. */
interface Packet {
  cmd: string;
  payload?: unknown;
  reasonCode?: number;
}

/** What --debug shows of each packet beside its name; a password never. */
const shown: Record<string, string[]> = {
  connect: ["clientId", "clean", "keepalive", "username", "properties"],
  connack: ["returnCode", "sessionPresent", "properties"],
  publish: ["topic", "qos", "retain", "dup", "messageId"],
  subscribe: ["messageId"],
  suback: ["messageId", "granted"],
};

/** One line on a packet, as --debug shows it: `PUBLISH topic "a/b" qos 1 …`. */
export function describePacket(packet: Packet): string {
  const fields: Record<string, unknown> = { ...packet };
  const names = shown[packet.cmd] ?? ["messageId"];
  const values: string[] = names
    .filter(name => fields[name] !== undefined)
    .map(name => `${name} ${JSON.stringify(fields[name])}`);
  const { payload, reasonCode } = packet;
  // Of MQTT 5; 0 is that all is well.
  if (reasonCode) values.push(`reason code 0x${reasonCode.toString(16).toUpperCase().padStart(2, "0")}`);
  const hasSize = packet.cmd === "publish" && (typeof payload === "string" || Buffer.isBuffer(payload));
  const size = hasSize ? [`${Buffer.byteLength(payload)} bytes`] : [];
  return [packet.cmd.toUpperCase(), ...values, ...size].join(" ");
}
