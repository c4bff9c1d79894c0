import { connect, type Socket } from "node:net";

export const uint16 = (value: number): number[] => [value >> 8, value & 0xff];

/** Connects to this machine with clean session 1, keep alive 0, and sends CONNECT. */
export function rawConnection(port: number, clientId: string): Socket {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  const id = Buffer.from(clientId);
  const rest = [0, 4, ...Buffer.from("MQTT"), 4, 0x02, 0, 0, ...uint16(id.length), ...id];
  socket.write(Buffer.from([0x10, rest.length, ...rest]));
  return socket;
}
