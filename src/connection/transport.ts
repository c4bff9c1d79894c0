import { connect, type Socket } from "node:net";

/** Where a broker listens. */
export interface Address {
  host: string;
  port: number;
}

/** The address in a broker's URL; settings.ts has checked it. */
export function addressOf(broker: string): Address {
  const { hostname, port } = new URL(broker);
  return { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 1883) };
}

/** Whether the address is this machine's own. */
export const isLocal = ({ host }: Address): boolean => /^(localhost|127(\.\d+){3}|::1)$/.test(host);

/**
 * Opens the TCP connection below MQTT. Nagle's algorithm is off: with it, a PINGREQ that follows a PUBACK waits 40 ms
 * for the other side's delayed acknowledgment, and the end of a queue is noticed late or, under traffic, never.
 */
export const openSocket = ({ host, port }: Address): Socket => connect({ host, port, noDelay: true });
