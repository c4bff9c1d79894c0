interface Packet {
  cmd: string;
  payload?: unknown;
  reasonCode?: number;
}

/** The fields that --debug shows. Never a password. */
const shown: Record<string, string[]> = {
  connect: ["clientId", "clean", "keepalive", "username", "properties"],
  connack: ["returnCode", "sessionPresent", "properties"],
  publish: ["topic", "qos", "retain", "dup", "messageId"],
  subscribe: ["messageId"],
  suback: ["messageId", "granted"],
};

/** Returns a line such as `PUBLISH topic "a/b" qos 1 …`. */
export function describePacket(packet: Packet): string {
  const fields: Record<string, unknown> = { ...packet };
  const names = shown[packet.cmd] ?? ["messageId"];
  const values: string[] = names
    .filter(name => fields[name] !== undefined)
    .map(name => `${name} ${JSON.stringify(fields[name])}`);
  const { payload, reasonCode } = packet;
  // MQTT 5; 0 is success.
  if (reasonCode) values.push(`reason code 0x${reasonCode.toString(16).toUpperCase().padStart(2, "0")}`);
  const hasSize = packet.cmd === "publish" && (typeof payload === "string" || Buffer.isBuffer(payload));
  const size = hasSize ? [`${Buffer.byteLength(payload)} bytes`] : [];
  return [packet.cmd.toUpperCase(), ...values, ...size].join(" ");
}
