import { addressOf, isLocal, urlOf } from "../connection/address.js";
import { contradiction, usageError } from "../errors.js";
import type { ClientTable } from "./connection.js";
import { BROKER_GROUP, calledAs, type Given } from "./sources.js";

/** Where the broker is, and what its URL said beside that. */
export interface BrokerAddress {
  /** `mqtt://host:port` or the like; always with its port, never with user name or password. */
  url: string;
  /** Another way to the same broker, where networks block the first. */
  fallback: string | null;
  username: string | null;
  password: string | null;
  /** That or the fallback is over TLS. */
  tls: boolean;
  /** It runs on this machine. */
  local: boolean;
  /** How an option for TLS is called that means nothing here; null: none does. */
  tlsUnused: string | null;
  /** Anyone in the world may use it. */
  publicBroker: boolean;
}

/** The brokers that have a name. */
const NAMED_BROKERS = new Map([
  ["local", { url: "mqtt://127.0.0.1:1883", fallback: null }],
  ["hivemq", { url: "mqtt://broker.hivemq.com:1883", fallback: "wss://broker.hivemq.com:8884/mqtt" }],
]);

/** Brokers that are open to everyone, for tests. */
const PUBLIC_HOSTS = new Set([
  "broker.hivemq.com",
  "broker.mqttdashboard.com",
  "test.mosquitto.org",
  "broker.emqx.io",
  "mqtt.eclipseprojects.io",
]);

/** Options that mean nothing without TLS. */
const TLS_OPTIONS = ["cafile", "cert", "key", "insecure"] as const;
/** IANA's port for MQTT over TLS. */
const TLS_PORT = 8883;

/** The addresses that a name stands for; null: it is no name. */
export function addressesOf(name: string): string[] | null {
  const named = NAMED_BROKERS.get(name);
  return named ? [named.url, named.fallback].filter(url => url !== null) : null;
}

/** A broker as it is named in an option; credentials that its URL has are told apart. @throws UserError exit code 2 */
export function namedBroker(name: string): Pick<BrokerAddress, "username" | "password"> & { broker: string } {
  if (NAMED_BROKERS.has(name)) return { broker: name, username: null, password: null };
  const { url: broker, username, password } = parse(name, false);
  return { broker, username, password };
}

/** @throws UserError exit code 2: no such form of address, or options that contradict it */
export function brokerAddress(given: Given<ClientTable>): BrokerAddress {
  const { broker, host, port } = given.values;
  if (broker !== null && (host !== null || port !== null))
    throw contradiction(
      `${calledAs(given, "broker")} says host and port already`,
      "Use --broker, or --host and --port.",
    );
  const source = BROKER_GROUP.map(name => given.from[name]).find(Boolean);
  const asksForTls = TLS_OPTIONS.filter(
    name =>
      given.from[name] && (given.from[name]?.kind === "option" || given.from[name]?.kind === source?.kind),
  );
  const named = NAMED_BROKERS.get(broker ?? "");
  const text = named?.url ?? broker ?? hostAndPort(host ?? "127.0.0.1", port);
  const fallback = named?.fallback ?? null;
  const parsed = parse(text, asksForTls.length > 0);
  const address = { ...parsed, fallback, tls: parsed.tls || fallback !== null };
  const unused = address.tls || address.local ? undefined : TLS_OPTIONS.find(name => given.from[name]);
  const typed = asksForTls.find(name => given.from[name]?.kind === "option");
  if (typed && !address.tls)
    throw contradiction(
      `--${typed} is for TLS, and ${address.url} has none`,
      "Name the broker with mqtts:// or wss://, or by its host alone.",
    );
  return { ...address, tlsUnused: unused === undefined ? null : calledAs(given, unused) };
}

const bracketed = (host: string) => (host.includes(":") && !host.startsWith("[") ? `[${host}]` : host);
const hostAndPort = (host: string, port: number | null) =>
  port === null ? bracketed(host) : `${bracketed(host)}:${port}`;

/** From a URL, or from `host[:port]`, which means TLS where an option asks for it or the port is TLS' own. */
function parse(text: string, asksForTls: boolean): Omit<BrokerAddress, "fallback" | "tlsUnused"> {
  const secure = asksForTls || text.endsWith(`:${TLS_PORT}`);
  const address = addressOf(text.includes("://") ? text : `${secure ? "mqtts" : "mqtt"}://${text}`);
  if (!address)
    throw usageError(
      "bad-broker",
      "--broker wants local, hivemq, HOST[:PORT], or a URL that begins with mqtt, mqtts, ws or wss.",
      "For example: --broker 192.168.1.20, or --broker wss://broker.hivemq.com:8884/mqtt",
    );
  const { scheme, host, username, password } = address;
  return {
    url: urlOf(address),
    username,
    password,
    tls: scheme === "mqtts" || scheme === "wss",
    local: isLocal(host),
    publicBroker: PUBLIC_HOSTS.has(host.toLowerCase().replace(/\.$/, "")),
  };
}
