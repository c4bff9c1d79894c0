/** Where a broker listens, and who is to be said to come. */
export interface BrokerAddress {
  scheme: Scheme;
  /** An IPv6 address without its brackets. */
  host: string;
  port: number;
  /** Of a WebSocket, with its slash; else empty. */
  path: string;
  username: string | null;
  password: string | null;
}

type Scheme = "mqtt" | "mqtts" | "ws" | "wss";

/** What stands where the URL says nothing. Ports are IANA's; the path is what most brokers have. */
const DEFAULTS: Record<Scheme, { port: number; path: string }> = {
  mqtt: { port: 1883, path: "" },
  mqtts: { port: 8883, path: "" },
  ws: { port: 80, path: "/mqtt" },
  wss: { port: 443, path: "/mqtt" },
};

/** The address in a broker's URL, or null where it is none. */
export function parseAddress(broker: string): BrokerAddress | null {
  const url = URL.canParse(broker) ? new URL(broker) : null;
  const scheme = url?.protocol.slice(0, -1) as Scheme;
  if (!url?.hostname || url.hostname.includes(",") || !Object.hasOwn(DEFAULTS, scheme)) return null;
  const { port, path } = DEFAULTS[scheme];
  const givenPath = url.pathname === "/" ? "" : url.pathname;
  if (url.port === "0" || url.search || url.hash || (givenPath && !path)) return null;
  const [username, password] = [decoded(url.username), decoded(url.password)];
  if (username === undefined || password === undefined) return null;
  return {
    scheme,
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: Number(url.port || port),
    path: givenPath || path,
    username,
    password,
  };
}

/**
 * The addresses in one URL or several, each with what it needs to log in. What a URL says goes first, and its password
 * to no other broker; a password that belongs to another user name is not sent under this one.
 * @returns null where one of them is none
 */
export function parseAddresses(
  broker: string | readonly string[],
  { username, password }: Pick<BrokerAddress, "username" | "password">,
): BrokerAddress[] | null {
  const addresses = [broker].flat().map(parseAddress);
  if (!addresses.every(address => address !== null)) return null;
  return addresses.map(address => {
    const isSameUser = address.username === null || username === null || username === address.username;
    return {
      ...address,
      username: address.username ?? username,
      password: address.password ?? (isSameUser ? password : null),
    };
  });
}

/** undefined: it is not encoded as in a URL. */
function decoded(text: string): string | null | undefined {
  try {
    return decodeURIComponent(text) || null;
  } catch {
    return undefined;
  }
}

/** The URL, always with its port, and never with user name or password. */
export const urlOf = ({ scheme, host, port, path }: BrokerAddress): string =>
  `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}${path}`;

/** A text that may be a URL in the wrong place, without what it says before its host. */
export const withoutCredentials = (text: string): string => text.replace(/:\/\/.*@/s, "://…@");

/** Of one broker or several, in words that hold no password. */
export const urlsOf = (broker: string | readonly string[]): string =>
  [broker]
    .flat()
    .flatMap(url => parseAddress(url) ?? [])
    .map(urlOf)
    .join(",");

/** Whether both lead to one broker: the same host, reached by another scheme. */
export const isAlternative = (one: BrokerAddress, other: BrokerAddress): boolean =>
  one.host === other.host && one.scheme !== other.scheme;

/** Whether two URLs lead to one broker, as far as they tell. */
export function isSameBroker(one: string, other: string): boolean {
  const [first, second] = [parseAddress(one), parseAddress(other)];
  return one === other || (first !== null && second !== null && isAlternative(first, second));
}

/** The URLs of each broker by itself; several where there are several ways to it. */
export function alternativesOf(broker: string | readonly string[]): string[][] {
  const brokers: { address: BrokerAddress | null; ways: string[] }[] = [];
  for (const url of [broker].flat()) {
    const address = parseAddress(url);
    const known = brokers.find(other => other.address && address && isAlternative(other.address, address));
    if (known) known.ways.push(url);
    else brokers.push({ address, ways: [url] });
  }
  return brokers.map(({ ways }) => ways);
}

/** Whether a host is this machine itself. */
export const isLocal = (host: string): boolean => /^(localhost|127(\.\d+){3}|::1)$/i.test(host);
