/** Where a broker listens. */
export interface Address {
  scheme: "mqtt" | "mqtts" | "ws" | "wss";
  host: string;
  port: number;
}

const DEFAULT_PORTS: Record<Address["scheme"], number> = { mqtt: 1883, mqtts: 8883, ws: 80, wss: 443 };

/** The address in a broker's URL, or null where it is none. */
export function addressOf(broker: string): Address | null {
  const url = URL.canParse(broker) ? new URL(broker) : null;
  const scheme = url?.protocol.slice(0, -1) as Address["scheme"];
  if (!url?.hostname || !Object.hasOwn(DEFAULT_PORTS, scheme)) return null;
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return { scheme, host, port: Number(url.port || DEFAULT_PORTS[scheme]) };
}

/** Whether a host, also an IPv6 address in brackets, is this machine itself. */
export const isLocal = (host: string): boolean => /^(localhost|127(\.\d+){3}|\[?::1\]?)$/i.test(host);
