import type { Packet } from "mqtt";

type Fields = Record<string, unknown>;

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
  const fields = packet as unknown as Fields;
  const names = shown[packet.cmd] ?? ["messageId"];
  const values = names
    .filter(name => fields[name] !== undefined)
    .map(name => `${name} ${JSON.stringify(fields[name])}`);
  const size = packet.cmd === "publish" ? [`${Buffer.byteLength(packet.payload)} bytes`] : [];
  return [packet.cmd.toUpperCase(), ...values, ...size].join(" ");
}
