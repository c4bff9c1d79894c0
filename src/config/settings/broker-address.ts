import { parseAddress, isLocal, urlOf } from "../../connection/broker-url.js";
import { conflictError, usageError } from "../../util/errors.js";
import type { ClientTable } from "./connection-settings.js";
import { BROKER_GROUP, calledAs, type Given } from "./merge-sources.js";

/** One broker, and what its URL said beside where it is. */
interface OneBroker {
  /** As `connect` takes it: with the user name and the password that were given in it, so never to be shown. */
  given: string;
  /** `mqtt://host:port` or the like; always with its port, never with user name or password. */
  url: string;
  username: string | null;
  password: string | null;
  tls: boolean;
  /** It runs on this machine. */
  local: boolean;
  /** Anyone in the world may use it. */
  publicBroker: boolean;
}

/** Where the brokers are that are tried in turn; most often there is one. */
export interface BrokerSelection {
  brokers: OneBroker[];
  /** What --broker calls them, without passwords. */
  name: string;
  /** Of the first one that others use too, else of the first. */
  url: string;
  /** One of them is over TLS. */
  tls: boolean;
  /** All of them run on this machine. */
  local: boolean;
  /** How an option for TLS is called that means nothing here; null: none does. */
  tlsUnused: string | null;
  /** The first one that anyone in the world may use; null: none is. */
  publicUrl: string | null;
  /** One without TLS takes the place of one with it, where that can't be reached; null: none does. */
  downgrade: { from: string; to: string } | null;
}

/** The brokers that have a name; two URLs are two ways to the same one, where networks block the first. */
const NAMED_BROKERS = new Map([
  ["local", ["mqtt://127.0.0.1:1883"]],
  ["hivemq", ["mqtt://broker.hivemq.com:1883", "wss://broker.hivemq.com:8884/mqtt"]],
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
export const selectedAddresses = (name: string): string[] | null => NAMED_BROKERS.get(name) ?? null;

type Named = Pick<OneBroker, "username" | "password"> & { broker: string };

/**
 * A broker as it is named in an option, or several in a list; credentials that a URL has are told apart.
 * @throws UserError exit code 2; also where those of a list differ
 */
export function namedBroker(name: string): Named {
  if (NAMED_BROKERS.has(name)) return { broker: name, username: null, password: null };
  const all = listed(name).map(one => parse(NAMED_BROKERS.get(one)?.[0] ?? one, false));
  refuseTwice(all, "--broker");
  const { username, password } = all.find(one => one.username !== null) ?? { username: null, password: null };
  if (all.some(one => one.username !== username || one.password !== password))
    throw conflictError(
      "the brokers in --broker have different user names or passwords, and lessons have one for all.",
      "Leave them out there, and set LWT_USERNAME and LWT_PASSWORD.",
    );
  return { broker: all.map(({ url }) => url).join(","), username, password };
}

/** @param option as the reader calls it */
function refuseTwice(brokers: OneBroker[], option: string): void {
  const twice = brokers.find(({ url }, i) => brokers.findIndex(other => other.url === url) < i);
  if (twice) throw conflictError(`${option} names ${twice.url} twice`, "Once is enough.");
}

/** @throws UserError exit code 2: no such form of address, or options that contradict it */
export function brokerAddress(given: Given<ClientTable>): BrokerSelection {
  const { broker, host, port } = given.values;
  if (broker !== null && (host !== null || port !== null))
    throw conflictError(
      `${calledAs(given, "broker")} says host and port already`,
      "Use --broker, or --host and --port.",
    );
  const asksForTls = tlsOptionsFor(given);
  const named = (broker === null ? [hostAndPort(host ?? "127.0.0.1", port)] : listed(broker)).map(text => ({
    text,
    ways: (NAMED_BROKERS.get(text) ?? [text]).map(way => parse(way, asksForTls.length > 0)),
  }));
  const brokers = named.flatMap(({ ways }) => ways);
  refuseTwice(brokers, calledAs(given, "broker"));
  const name = named.map(({ text, ways }) => (NAMED_BROKERS.has(text) ? text : ways[0]?.url)).join(",");
  const tls = brokers.some(one => one.tls);
  const local = brokers.every(one => one.local);
  const typed = asksForTls.find(option => given.from[option]?.kind === "option");
  if (typed && !tls)
    throw conflictError(
      `--${typed} is for TLS, and ${name} has none`,
      "Name the broker with mqtts:// or wss://, or by its host alone.",
    );
  const unused = tls || local ? undefined : TLS_OPTIONS.find(option => given.from[option]);
  return {
    brokers,
    name,
    url: (brokers.find(one => !one.local) ?? brokers[0])?.url ?? name,
    tls,
    local,
    tlsUnused: unused === undefined ? null : calledAs(given, unused),
    publicUrl: brokers.find(one => one.publicBroker)?.url ?? null,
    downgrade: downgradeIn(brokers),
  };
}

/** Options that ask for TLS where the broker's name leaves it open: those of its own source, and typed ones. */
function tlsOptionsFor({ from }: Given<ClientTable>) {
  const source = BROKER_GROUP.map(name => from[name]).find(Boolean);
  return TLS_OPTIONS.filter(
    name => from[name] && (from[name]?.kind === "option" || from[name]?.kind === source?.kind),
  );
}

/** The names in a list. A password with a comma in it would be cut in two, and half of it be taken for a host. */
function listed(text: string): string[] {
  const names = text.split(",").map(name => name.trim());
  if (names.length > 1 && names.some(name => name.includes("@") && !name.includes("://")))
    throw usageError(
      "bad-broker",
      "in a list of brokers, only a URL that begins with mqtt, mqtts, ws or wss can hold a user name.",
      "A comma in a password is written %2C. For all brokers: LWT_USERNAME and LWT_PASSWORD.",
    );
  return names;
}

/** Of two ways to one host the first may be without TLS: that is how it is named. */
function downgradeIn(brokers: OneBroker[]): BrokerSelection["downgrade"] {
  const hostOf = ({ url }: OneBroker) => new URL(url).hostname;
  const from = brokers.find(({ tls }) => tls);
  const to = brokers.find(one => !one.tls && !one.local && from && hostOf(one) !== hostOf(from));
  return from && to ? { from: from.url, to: to.url } : null;
}

const bracketed = (host: string) => (host.includes(":") && !host.startsWith("[") ? `[${host}]` : host);
const hostAndPort = (host: string, port: number | null) =>
  port === null ? bracketed(host) : `${bracketed(host)}:${port}`;

/** From a URL, or from `host[:port]`, which means TLS where an option asks for it or the port is TLS' own. */
function parse(text: string, asksForTls: boolean): OneBroker {
  const secure = asksForTls || text.endsWith(`:${TLS_PORT}`);
  const given = text.includes("://") ? text : `${secure ? "mqtts" : "mqtt"}://${text}`;
  const address = parseAddress(given);
  if (!address)
    throw usageError(
      "bad-broker",
      "--broker wants local, hivemq, HOST[:PORT], or a URL that begins with mqtt, mqtts, ws or wss.",
      "For example: --broker 192.168.1.20, or --broker wss://broker.hivemq.com:8884/mqtt",
    );
  const { scheme, host, username, password } = address;
  return {
    given,
    url: urlOf(address),
    username,
    password,
    tls: scheme === "mqtts" || scheme === "wss",
    local: isLocal(host),
    publicBroker: PUBLIC_HOSTS.has(host.toLowerCase().replace(/\.$/, "")),
  };
}
