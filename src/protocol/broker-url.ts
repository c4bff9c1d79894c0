/** The address of a broker, with the user name and password for it. */
export interface BrokerAddress {
  scheme: Scheme;
  /** An IPv6 address without its brackets. */
  host: string;
  port: number;
  /** The path of a WebSocket with its slash, otherwise empty. */
  path: string;
  username: string | null;
  password: string | null;
}

type Scheme = "mqtt" | "mqtts" | "ws" | "wss";

/** Defaults. Ports are those of IANA, the path is that of most brokers. */
const DEFAULTS: Record<Scheme, { port: number; path: string }> = {
  mqtt: { port: 1883, path: "" },
  mqtts: { port: 8883, path: "" },
  ws: { port: 80, path: "/mqtt" },
  wss: { port: 443, path: "/mqtt" },
};

/** Returns the address in a broker's URL, or null if it is not valid. */
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
 * Returns the addresses in one or several URLs, each with its credentials, or null if one is not valid. Credentials
 * in a URL go first and to that broker only. A password of another user name is not used.
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

/** Returns undefined if the text is not URL-encoded. */
function decoded(text: string): string | null | undefined {
  try {
    return decodeURIComponent(text) || null;
  } catch {
    return undefined;
  }
}

/** Returns the URL with its port, without user name and password. */
export const urlOf = ({ scheme, host, port, path }: BrokerAddress): string =>
  `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}${path}`;

/** Removes credentials from a text that may be a URL. */
export const withoutCredentials = (text: string): string => text.replace(/:\/\/.*@/s, "://…@");

/** Returns the URLs of one or several brokers without credentials. */
export const urlsOf = (broker: string | readonly string[]): string =>
  [broker]
    .flat()
    .flatMap(url => parseAddress(url) ?? [])
    .map(urlOf)
    .join(",");

/** Whether both are one host, reached by different schemes. */
export const isAlternative = (one: BrokerAddress, other: BrokerAddress): boolean =>
  one.host === other.host && one.scheme !== other.scheme;

/** Whether two URLs name the same host. */
export function isSameBroker(one: string, other: string): boolean {
  const [first, second] = [parseAddress(one), parseAddress(other)];
  return one === other || (first !== null && second !== null && isAlternative(first, second));
}

/** Groups the URLs by broker. */
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
