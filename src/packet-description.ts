/** A packet as the parsers of both sides give it. */
interface Packet {
  cmd: string;
  payload?: unknown;
}

/** What --debug shows of each packet beside its name; a password never. */
const shown: Record<string, string[]> = {
  connect: ["clientId", "clean", "keepalive", "username"],
  connack: ["returnCode", "sessionPresent"],
  publish: ["topic", "qos", "retain", "dup", "messageId"],
  subscribe: ["messageId"],
  suback: ["messageId", "granted"],
};

/** One line on a packet, as --debug shows it: `PUBLISH topic "a/b" qos 1 …`. */
export function describePacket(packet: Packet): string {
  const fields: Record<string, unknown> = { ...packet };
  const names = shown[packet.cmd] ?? ["messageId"];
  const values = names
    .filter(name => fields[name] !== undefined)
    .map(name => `${name} ${JSON.stringify(fields[name])}`);
  const { payload } = packet;
  const hasSize = packet.cmd === "publish" && (typeof payload === "string" || Buffer.isBuffer(payload));
  const size = hasSize ? [`${Buffer.byteLength(payload)} bytes`] : [];
  return [packet.cmd.toUpperCase(), ...values, ...size].join(" ");
}
