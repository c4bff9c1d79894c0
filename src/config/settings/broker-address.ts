import { parseAddress, isLocal, urlOf } from "../../protocol/broker-url.js";
import { conflictError, usageError } from "../../util/errors.js";
import type { connectionOptions } from "../options/client-options.js";
import { BROKER_GROUP, nameAsGiven, type MergedOptions } from "./merge-sources.js";

type ConnectionOptions = MergedOptions<typeof connectionOptions>;

/** A broker with the parts of its URL. */
interface SelectedBroker {
  /** For `connect`, with the user name and password that were given in it: never shown. */
  urlWithCredentials: string;
  /** `mqtt://host:port` or the like; always with its port, never with user name or password. */
  url: string;
  username: string | null;
  password: string | null;
  usesTls: boolean;
  isLocal: boolean;
  /** Open to everyone. */
  isPublic: boolean;
}

/** The brokers to try in turn; usually one. */
export interface BrokerSelection {
  brokers: SelectedBroker[];
  /** As in --broker, without passwords. */
  name: string;
  /** The URL of the first that is not local, or of the first. */
  url: string;
  /** At least one uses TLS. */
  usesTls: boolean;
  /** All of them run on this computer. */
  isLocal: boolean;
  /** The name of a TLS option that was given and has no effect; or null. */
  unusedTlsOption: string | null;
  /** The URL of the first public broker, or null. */
  publicUrl: string | null;
  /** A broker without TLS may take the place of one with TLS. */
  downgrade: { from: string; to: string } | null;
}

/** Two URLs are two ways to one broker, because some networks block the first. */
const NAMED_BROKERS = new Map([
  ["local", ["mqtt://127.0.0.1:1883"]],
  ["hivemq", ["mqtt://broker.hivemq.com:1883", "wss://broker.hivemq.com:8884/mqtt"]],
]);

/** Public test brokers. */
const PUBLIC_HOSTS = new Set([
  "broker.hivemq.com",
  "broker.mqttdashboard.com",
  "test.mosquitto.org",
  "broker.emqx.io",
  "mqtt.eclipseprojects.io",
]);

const TLS_OPTIONS = ["cafile", "cert", "key", "insecure"] as const;
/** IANA's port for MQTT over TLS. */
const TLS_PORT = 8883;

/** Returns the addresses of a named broker, or null. */
export const addressesOfName = (name: string): string[] | null => NAMED_BROKERS.get(name) ?? null;

type NamedBroker = Pick<SelectedBroker, "username" | "password"> & { broker: string };

/**
 * Reads --broker: a broker or a list of them, and the credentials in their URLs.
 * @throws UserError exit code 2; also when the brokers in a list have different credentials
 */
export function namedBroker(name: string): NamedBroker {
  if (NAMED_BROKERS.has(name)) return { broker: name, username: null, password: null };
  const all = splitList(name).map(one => parseBroker(NAMED_BROKERS.get(one)?.[0] ?? one, false));
  refuseDuplicates(all, "--broker");
  const { username, password } = all.find(one => one.username !== null) ?? { username: null, password: null };
  if (all.some(one => one.username !== username || one.password !== password))
    throw conflictError(
      "the brokers in --broker have different user names or passwords, but a lesson uses one for all.",
      "Omit them there, and set LWT_USERNAME and LWT_PASSWORD.",
    );
  return { broker: all.map(({ url }) => url).join(","), username, password };
}

/** @param option its name as the user wrote it */
function refuseDuplicates(brokers: SelectedBroker[], option: string): void {
  const twice = brokers.find(({ url }, i) => brokers.findIndex(other => other.url === url) < i);
  if (twice) throw conflictError(`${option} names ${twice.url} twice`, "Name each broker once.");
}

/** @throws UserError exit code 2: a malformed address, or options that contradict it */
export function brokerAddress(options: ConnectionOptions): BrokerSelection {
  const { broker, host, port } = options.values;
  if (broker !== null && (host !== null || port !== null))
    throw conflictError(
      `${nameAsGiven(options, "broker")} already names host and port`,
      "Use --broker, or --host and --port.",
    );
  const asksForTls = tlsOptionsFor(options);
  const named = (broker === null ? [hostAndPort(host ?? "127.0.0.1", port)] : splitList(broker)).map(
    text => ({
      text,
      ways: (NAMED_BROKERS.get(text) ?? [text]).map(way => parseBroker(way, asksForTls.length > 0)),
    }),
  );
  const brokers = named.flatMap(({ ways }) => ways);
  refuseDuplicates(brokers, nameAsGiven(options, "broker"));
  const name = named.map(({ text, ways }) => (NAMED_BROKERS.has(text) ? text : ways[0]?.url)).join(",");
  const usesTls = brokers.some(one => one.usesTls);
  const allLocal = brokers.every(one => one.isLocal);
  const typed = asksForTls.find(option => options.from[option]?.kind === "option");
  if (typed && !usesTls)
    throw conflictError(
      `--${typed} needs TLS, and ${name} has none`,
      "Name the broker with mqtts:// or wss://, or by its host alone.",
    );
  const unused = usesTls || allLocal ? undefined : TLS_OPTIONS.find(option => options.from[option]);
  return {
    brokers,
    name,
    url: (brokers.find(one => !one.isLocal) ?? brokers[0])?.url ?? name,
    usesTls,
    isLocal: allLocal,
    unusedTlsOption: unused === undefined ? null : nameAsGiven(options, unused),
    publicUrl: brokers.find(one => one.isPublic)?.url ?? null,
    downgrade: downgradeIn(brokers),
  };
}

/** Returns the given TLS options of the broker's own source and of the command line: they ask for TLS. */
function tlsOptionsFor({ from }: ConnectionOptions) {
  const source = BROKER_GROUP.map(name => from[name]).find(Boolean);
  return TLS_OPTIONS.filter(
    name => from[name] && (from[name]?.kind === "option" || from[name]?.kind === source?.kind),
  );
}

/** Splits a list of brokers. A comma in a password would make half of the password a host. */
function splitList(text: string): string[] {
  const names = text.split(",").map(name => name.trim());
  if (names.length > 1 && names.some(name => name.includes("@") && !name.includes("://")))
    throw usageError(
      "bad-broker",
      "in a list of brokers, only a URL that begins with mqtt, mqtts, ws or wss can hold a user name.",
      "Write a comma in a password as %2C. For all brokers: LWT_USERNAME and LWT_PASSWORD",
    );
  return names;
}

/** A host's own two ways, as with `hivemq`, are no downgrade. */
function downgradeIn(brokers: SelectedBroker[]): BrokerSelection["downgrade"] {
  const hostOf = ({ url }: SelectedBroker) => new URL(url).hostname;
  const from = brokers.find(({ usesTls }) => usesTls);
  const to = brokers.find(one => !one.usesTls && !one.isLocal && from && hostOf(one) !== hostOf(from));
  return from && to ? { from: from.url, to: to.url } : null;
}

const bracketed = (host: string) => (host.includes(":") && !host.startsWith("[") ? `[${host}]` : host);
const hostAndPort = (host: string, port: number | null) =>
  port === null ? bracketed(host) : `${bracketed(host)}:${port}`;

/** Parses a URL or `host[:port]`, which uses TLS if an option asks for TLS or the port is 8883. */
function parseBroker(text: string, asksForTls: boolean): SelectedBroker {
  const usesTls = asksForTls || text.endsWith(`:${TLS_PORT}`);
  const urlWithCredentials = text.includes("://") ? text : `${usesTls ? "mqtts" : "mqtt"}://${text}`;
  const address = parseAddress(urlWithCredentials);
  if (!address)
    throw usageError(
      "bad-broker",
      "--broker needs local, hivemq, HOST[:PORT], or a URL that begins with mqtt, mqtts, ws or wss.",
      "For example: --broker 192.168.1.20, or --broker wss://broker.hivemq.com:8884/mqtt",
    );
  const { scheme, host, username, password } = address;
  return {
    urlWithCredentials,
    url: urlOf(address),
    username,
    password,
    usesTls: scheme === "mqtts" || scheme === "wss",
    isLocal: isLocal(host),
    isPublic: PUBLIC_HOSTS.has(host.toLowerCase().replace(/\.$/, "")),
  };
}
