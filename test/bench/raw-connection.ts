import { connect, type Socket } from "node:net";

export const uint16 = (value: number): number[] => [value >> 8, value & 0xff];

export interface Login {
  user: string;
  password: string;
}

const field = (text: string) => [...uint16(Buffer.byteLength(text)), ...Buffer.from(text)];

/** Connects to this machine with clean session 1, keep alive 0, and sends CONNECT. */
export function rawConnection(port: number, clientId: string, login: Login | null = null): Socket {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  const flags = login ? 0xc2 : 0x02;
  const credentials = login ? [...field(login.user), ...field(login.password)] : [];
  const rest = [...field("MQTT"), 4, flags, 0, 0, ...field(clientId), ...credentials];
  socket.write(Buffer.from([0x10, rest.length, ...rest]));
  return socket;
}
